"""What is asked for: which seed, how many epochs, on what, and where it is left."""

from dataclasses import dataclass, replace
from pathlib import Path

from mmsearch import methods
from mmsearch.seeds import Seed
from mmsearch.train.card import Card

TOLERANCE = 0.1
"""How far a curve that was trained under other conditions may be from the recorded one: two workers
instead of one draw other noise, and were seen 8 % apart at epoch 2, 0.2 % in the value."""


@dataclass(frozen=True)
class Request:
    """What the user asked for, parsed."""

    card: Card
    asked_seed: int | None
    asked_replicate: int | None
    asked_epochs: int | None
    asked_threads: int | None
    tolerance: float
    out: Path
    export: Path | None

    @property
    def seed(self) -> Seed:
        """Root of all streams."""
        recorded = self.card.seed
        study = recorded.study if self.asked_seed is None else self.asked_seed
        replicate = recorded.replicate if self.asked_replicate is None else self.asked_replicate
        return replace(recorded, study=study, replicate=replicate)

    @property
    def threads(self) -> int:
        """Threads of one operation on the CPU."""
        return self.asked_threads or self.card.provenance.threads

    @property
    def epochs(self) -> int:
        """After which training ends, unless its patience ends it sooner."""
        return self.asked_epochs or len(self.card.curve)

    @property
    def folder(self) -> Path:
        """Of what is trained: one for each trial and seed."""
        named = self.card.name
        if self.asked_seed is not None:
            named += f"-seed-{self.asked_seed}"
        if self.asked_replicate is not None:
            named += f"-replicate-{self.asked_replicate}"
        return (self.out / named).resolve()

    def incomparable(self) -> str | None:
        """Why the curve cannot be that on record; None if it can."""
        if self.seed != self.card.seed:
            return "another seed"
        plans = methods.find(self.card.study.method).plans_ahead
        if plans and self.asked_epochs not in {None, self.card.recorded_epochs}:
            return f"{self.card.study.method} plans its training by the number of epochs"
        return None
