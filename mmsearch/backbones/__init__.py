"""Backbones: networks with weights of their own that read raw text, images and sound.

Unusual: importing this package is cheap; transformers is loaded when a network is asked for.
"""
