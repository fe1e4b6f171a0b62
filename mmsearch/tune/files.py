"""Keeps `trials.csv` and `best.toml` beside the record up to date while a study runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from mmsearch import provenance
from mmsearch.disks import require
from mmsearch.report import write_best_toml, write_trials_csv
from mmsearch.report.files import write_atomically
from mmsearch.selection.told import told
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
        self._has_tried = False

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
        require(self._folder)
        record = self._record()
        self._write_changes(record)
        pareto = pareto_set(self._study, record.trials) if self._study.others else None
        write_trials_csv(record, self._folder / "trials.csv", pareto=pareto)
        write_best_toml(record, self._study, self._folder / "best.toml", more=told(self._folder))
        self._written = monotonic()

    def _write_changes(self, record: Record) -> None:
        """The changes to the code that are too long for the record, unless they are kept."""
        sittings = provenance.sittings(record.provenance)
        wanted = {one["diff_file"] for one in sittings if "diff_file" in one}
        if all((self._folder / name).exists() for name in wanted) or self._has_tried:
            return
        self._has_tried = True
        diff = provenance.changed_code()
        name = provenance.diff_file(diff)
        # What an earlier sitting changed may be gone by now.
        if name in wanted:
            write_atomically(self._folder / name, diff)
