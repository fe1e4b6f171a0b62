"""Every random stream: one integer per study, trial, replicate and purpose.

Unusual: nothing in mmsearch draws from a generator that was not seeded here. Streams are derived
by hashing, so they do not depend on the order in which they are asked for, and a trial that is
resumed on another machine draws what it would have drawn.
"""

from dataclasses import dataclass
from hashlib import sha256


def derive(study_seed: int, trial: int, replicate: int, purpose: str) -> int:
    """Seed of one stream, in [0, 2**63): the same for the same four arguments, on every machine.

    Args:
        study_seed: the study's root seed.
        trial: the trial's number in its study.
        replicate: 0 in a search; 1, 2, ... for the same configuration under other seeds.
        purpose: what the stream is for, for example `"weights"` or `"order/3"`.
    """
    text = f"mmsearch/1/{study_seed}/{trial}/{replicate}/{purpose}"
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Seed:
    """Root of all streams of one trial."""

    study: int
    trial: int
    replicate: int = 0

    def stream(self, purpose: str) -> int:
        """Seed of the stream for this purpose; see `derive`."""
        return derive(self.study, self.trial, self.replicate, purpose)
