"""Keeps `trials.csv` and `best.toml` beside the record up to date while a study runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from mmsearch.report import write_best_toml, write_trials_csv
from mmsearch.study import Study, pareto_set
from mmsearch.trial import Observation, Record, Trial

EVERY_S = 5.0
"""Rewriting both costs time in proportion to the trials on record."""


class Files:
    """Listens to a study; writes at most every few seconds, and when asked."""

    def __init__(self, folder: Path, study: Study, record: Callable[[], Record]) -> None:
        self._folder = folder
        self._study = study
        self._record = record
        self._written = monotonic()

    def began(self, trial: Trial) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """See `cluster.Listener`."""

    def ended(self, trial: Trial) -> None:
        """See `cluster.Listener`."""
        if monotonic() - self._written >= EVERY_S:
            self.write()

    def write(self) -> None:
        """Writes both files as the record stands now."""
        record = self._record()
        pareto = pareto_set(self._study, record.trials) if self._study.others else None
        write_trials_csv(record, self._folder / "trials.csv", pareto=pareto)
        write_best_toml(record, self._study, self._folder / "best.toml")
        self._written = monotonic()
