"""Gangs without workers: a trial is a second of sleep. Everything else is real."""

import time
from typing import Any

from mmsearch.cluster.gang import Gang
from mmsearch.cluster.messages import Begin, Stretch
from mmsearch.trial import Observation

TRIAL_S = 1.0
"""What a trial takes."""


class SimulatedGang(Gang):
    """Takes orders and reports as a gang does."""

    def _assemble(self) -> str:
        return "simulated"

    def _all(self, method: str, *arguments: Any, **keywords: Any) -> list[Any]:
        assert method == "carry_out"
        (order,) = arguments
        assert isinstance(order, Begin), "a trial is one stretch"
        time.sleep(TRIAL_S)
        worth = float(order.config["learning_rate"])
        seen = Observation(1, {"valid/mae": worth, "train/loss": worth}, TRIAL_S)
        return [(Stretch(order.number, (seen,), finished=True), 0.0)]
