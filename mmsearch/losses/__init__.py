"""Losses: terms and memories that methods share, as pure functions and small modules.

Unusual: every function keeps the dtype that it is given; methods hand in float32.
"""
