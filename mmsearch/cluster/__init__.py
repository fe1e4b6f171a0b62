"""The Ray room: trials on machines, by gangs of warm workers that Ray Tune holds.

Its door is `mmsearch.cluster.search`. Unusual: nothing is imported here, because every process of
a gang passes through this file, and a gang's leader needs neither torch nor Optuna.
"""
