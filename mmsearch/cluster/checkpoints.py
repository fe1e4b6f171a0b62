"""Which checkpoints stay: a live trial's newest, those of the incumbent, published one, replicates.

A replicate that completed may be evaluated on test.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mmsearch.trial import Checkpoint, Completed, Record, Trial


class Shelf:
    """The folder `checkpoints/` of a study: `trial-0007/epoch-0012`.

    The record has checkpoints as seen from the study's folder, so that it may be moved.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, number: int) -> Path:
        """Where the checkpoints of one trial go."""
        return self._root / f"trial-{number:04d}"

    def recorded(self, checkpoint: Checkpoint) -> Checkpoint:
        """A checkpoint that a gang wrote, as the record has it."""
        uri = Path(checkpoint.uri).relative_to(self._root.parent).as_posix()
        return replace(checkpoint, uri=uri)

    def find(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """A checkpoint on record, as a gang loads it; None if it is gone.

        Records of old have absolute paths, which a study that was copied must not follow.
        """
        folder = self._root.joinpath(*Path(checkpoint.uri).parts[-2:])
        return replace(checkpoint, uri=str(folder)) if folder.is_dir() else None

    def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint on record is still there."""
        return self.find(checkpoint) is not None

    def keep_only(self, checkpoint: Checkpoint) -> None:
        """Removes the other checkpoints of the same trial; call once the record knows this one.

        Args:
            checkpoint: as a gang wrote it.
        """
        newest = Path(checkpoint.uri)
        for other in newest.parent.glob("*"):
            if other.name != newest.name:
                shutil.rmtree(other, ignore_errors=True)

    def catch_up(self, record: Record) -> None:
        """Makes the folder, and removes what a killed sitting did not; call before gangs train."""
        with suppress(OSError):  # Checkpoints that cannot be written are told when they are.
            self._root.mkdir(exist_ok=True)
        for trial in record.trials:
            newest = self.find(trial.checkpoint) if trial.checkpoint else None
            if newest:
                self.keep_only(newest)
        self.tidy(record.trials, record.incumbent)

    def tidy(self, trials: Sequence[Trial], incumbent: Trial | None) -> None:
        """Removes what nobody will resume or evaluate.

        Args:
            trials: all of the record, by number; only those that have a folder are looked at.
            incumbent: of them.
        """
        with suppress(OSError):  # Where the disk has gone meanwhile, the next one sees to it.
            for folder in self._root.glob("trial-*"):
                number = int(folder.name.removeprefix("trial-"))
                trial = trials[number] if number < len(trials) else None
                if not trial or not (_is_wanted(trial) or trial is incumbent):
                    shutil.rmtree(folder, ignore_errors=True)


def bar(trial: Trial, incumbent: Trial | None) -> float | None:
    """The objective that a trial must not miss for its last checkpoint to stay; None for any."""
    stays = trial.published or trial.seed.replicate > 0
    return None if stays or incumbent is None else incumbent.value


def _is_wanted(trial: Trial) -> bool:
    """Whether somebody may resume or evaluate it, whatever the other trials come to."""
    replicate = trial.seed.replicate > 0 and isinstance(trial.state, Completed)
    return not trial.ended or trial.published or replicate
