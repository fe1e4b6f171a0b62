"""The DeepSpeed room: trains one configuration to a fidelity, with checkpoints and observations.

Always a DeepSpeed engine, on CPUs and GPUs, with one worker and several. DeepSpeed itself is
imported when a gang is joined, or a `[deepspeed]` table checked.
"""

from mmsearch.training.endings import Diverged, Unwritten, ending_of
from mmsearch.training.loop import train
from mmsearch.training.settings import check
from mmsearch.training.trainer import Trainer, place
from mmsearch.training.worker import Worker, join, leave

__all__ = [
    "Diverged",
    "Trainer",
    "Unwritten",
    "Worker",
    "check",
    "ending_of",
    "join",
    "leave",
    "place",
    "train",
]
