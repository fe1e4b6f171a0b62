"""The DeepSpeed room: trains one configuration to a fidelity, with checkpoints and observations.

Always a DeepSpeed engine, on CPUs and GPUs, with one worker and several. DeepSpeed itself is
imported when a gang is joined, or a `[deepspeed]` table checked.
"""

from mmsearch.training.bandwidth import all_reduce_speed
from mmsearch.training.checkpoint import plan_of
from mmsearch.training.endings import Diverged, OutOfMemory, Unwritten, ending_of
from mmsearch.training.exported import Predictor, write_weights
from mmsearch.training.judging import judge, num_weights
from mmsearch.training.loop import train
from mmsearch.training.plan import Plan, Thrift
from mmsearch.training.settings import check
from mmsearch.training.trainer import Trainer, place
from mmsearch.training.worker import Worker, join, leave

__all__ = [
    "Diverged",
    "OutOfMemory",
    "Plan",
    "Predictor",
    "Thrift",
    "Trainer",
    "Unwritten",
    "Worker",
    "all_reduce_speed",
    "check",
    "ending_of",
    "join",
    "judge",
    "leave",
    "num_weights",
    "place",
    "plan_of",
    "train",
    "write_weights",
]
