"""Backbones: networks with weights of their own that read raw text, images and sounds.

One that stays as it is gives features, computed once and kept (`views`); one that learns along is
part of what a trial trains, under its method. Either way a method gets features like any others.

Unusual: importing this package loads no network; transformers is loaded when one is asked for.
"""

from mmsearch.backbones.choices import Chosen, of_config, of_study
from mmsearch.backbones.seen import learning, seen, seen_task
from mmsearch.backbones.views import Plan, compute, planned, source

__all__ = [
    "Chosen",
    "Plan",
    "compute",
    "learning",
    "of_config",
    "of_study",
    "planned",
    "seen",
    "seen_task",
    "source",
]
