"""Which checkpoints stay: the newest of a running trial, the incumbent's, the published one's."""

import shutil
from pathlib import Path

from mmsearch.trial import Checkpoint, Record, Running


class Shelf:
    """The folder `checkpoints/` of a study: `trial-0007/epoch-0012`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, number: int) -> Path:
        """Where the checkpoints of one trial go."""
        return self._root / f"trial-{number:04d}"

    def keep_only(self, checkpoint: Checkpoint) -> None:
        """Removes the older checkpoints of the same trial; call once the record knows this one."""
        newest = Path(checkpoint.uri)
        for other in newest.parent.iterdir():
            if other.name != newest.name:
                shutil.rmtree(other, ignore_errors=True)

    def catch_up(self, record: Record) -> None:
        """Removes what a killed sitting did not get to; call while no gang is at work."""
        for trial in record.trials:
            newest = Path(trial.checkpoint.uri) if trial.checkpoint else None
            if newest and newest.is_dir() and newest.parent == self.folder(trial.number):
                self.keep_only(trial.checkpoint)
        self.tidy(record)

    def tidy(self, record: Record) -> None:
        """Removes what nobody will resume or evaluate."""
        wanted = {t.number for t in record.trials if isinstance(t.state, Running)}
        wanted |= {t.number for t in (record.incumbent, record.published) if t}
        for folder in self._root.glob("trial-*"):
            if int(folder.name.removeprefix("trial-")) not in wanted:
                shutil.rmtree(folder, ignore_errors=True)
