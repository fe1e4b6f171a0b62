"""How far a gang trains before it reports, and when it saves. No Ray in here.

Reports about once a second keep the driver's work small and the curves live. Ten seconds of
training lie between two checkpoints, or more where these would not outweigh the cost of one twenty
times: so saving takes at most a twentieth of the time, and of a small network next to nothing.
"""

from collections.abc import Sequence

from mmsearch.trial import Observation

STRETCH_S = 1.0
FIRST = 4
"""Most epochs of a trial's first stretch: they may take longer than those of the trial before."""
SAVING_SHARE = 1 / 20
APART_S = 10.0
"""Least seconds between two checkpoints: what a lost gang may cost without anybody minding."""


class Pace:
    """Of one gang; what it learnt about speed carries over from trial to trial."""

    def __init__(self, *, rungs: tuple[int, ...], max_epochs: int) -> None:
        self._ends = (*rungs, max_epochs)
        self._epoch = 0
        self._is_new = True
        self._epoch_seconds: float | None = None
        self._save_seconds = 0.0
        self._saved_at: float | None = None

    def begin(self, epoch: int) -> None:
        """A segment starts from this epoch; the clock of its savings starts anew."""
        self._epoch = epoch
        self._is_new = True
        self._saved_at = None

    def until(self) -> int:
        """Epoch up to which to train now: never past the next rung."""
        speed = self._epoch_seconds
        wanted = 1 if speed is None else max(1, int(STRETCH_S / max(speed, 1e-6)))
        if self._is_new:
            wanted = min(wanted, FIRST)
        end = next((end for end in self._ends if end > self._epoch), self._ends[-1])
        return min(self._epoch + wanted, end)

    @property
    def needs_no_answer(self) -> bool:
        """Whether training can go on before the driver has answered.

        Nothing is decided at the epoch that was reached then, and the next stretch is so short that
        an order to save may wait for it.
        """
        speed = self._epoch_seconds
        return self._epoch not in self._ends and speed is not None and speed <= STRETCH_S

    def trained(self, observations: Sequence[Observation]) -> None:
        """Notes how far training has come, and how fast."""
        if observations:
            self._epoch = observations[-1].epoch
            self._is_new = False
            seconds = sum(observation.train_seconds for observation in observations)
            self._epoch_seconds = seconds / len(observations)

    def saving_is_due(self, now: float) -> bool:
        """Whether there was enough training since the last checkpoint; `now` in s."""
        if self._saved_at is None:
            self._saved_at = now
        return now - self._saved_at >= max(APART_S, self._save_seconds / SAVING_SHARE)

    def saved(self, now: float, *, seconds: float) -> None:
        """Notes a checkpoint, or that none could be written; `now` in s of the same clock."""
        self._saved_at = now
        self._save_seconds = seconds
