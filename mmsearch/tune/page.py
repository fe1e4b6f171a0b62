"""Keeps `report.html` up to date while a study runs, in a process beside the search.

Unusual: what a page costs grows with the study, and a thread would hold the driver up for it. So
another process reads the record, at normal priority lest it hold a database's lock while it waits
for a processor, and then makes the page at a low one. It says what it cost, and the next page waits
a hundred times as long. The lowest priority would not do: where gangs keep every processor busy,
such a process was seen to stand still for a quarter of an hour.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time
from types import FrameType

from mmsearch.cluster.troubles import Troubles
from mmsearch.disks import require
from mmsearch.errors import reason_of
from mmsearch.report import write_page
from mmsearch.report.page import NAME
from mmsearch.selection.told import told
from mmsearch.study import Study
from mmsearch.trial import Observation, Record, Trial

FIRST_S = 60.0
"""Seconds from the beginning to the first page."""
EVERY_S = 180.0
"""Seconds from one page to the next, at least."""
SHARE = 0.01
"""Of a processor's time that may go into pages, at most."""
PATIENCE_S = 20.0
"""Seconds that a page which is being made has to end when the search has ended."""
NICE = 10
"""Of the process that makes a page: it has a tenth of a busy processor then."""
WHAT = "report"
Child = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Job:
    """What the process beside the search is asked for."""

    study: Study
    storage: str
    path: Path

    def done(self, record: Record) -> None:
        """The page is written, with what the study's files say of a race and of test."""
        require(self.path.parent)
        write_page(record, self.study, self.path, race=told(self.path.parent))


class Page:
    """Listens to a study; makes its page every few minutes, and when asked."""

    def __init__(self, study: Study, storage: str, folder: Path, troubles: Troubles) -> None:
        self._job = Job(study, storage, folder / NAME)
        self._troubles = troubles
        self._child: Child | None = None
        self._due = monotonic() + FIRST_S

    def began(self, trial: Trial) -> None:
        """See `cluster.Listener`."""

    def observed(self, trial: Trial, observations: Sequence[Observation]) -> None:
        """See `cluster.Listener`."""
        self._look()

    def ended(self, trial: Trial) -> None:
        """See `cluster.Listener`."""
        self._look()

    def write(self, record: Record) -> None:
        """Makes the last page, here; whatever goes wrong is told and ends nothing."""
        if self._child:
            _end(self._child)
            self._child = None
        try:
            with self._troubles.allowed(WHAT):
                self._job.done(record)
        except Exception as error:  # noqa: BLE001  a page is no reason to lose a search's end
            self._troubles.add(WHAT, reason_of(error))

    def _look(self) -> None:
        if self._child and self._child.poll() is not None:
            self._settle(self._child)
            self._child = None
        if self._child is None and monotonic() >= self._due:
            self._child = self._begin()
            self._due = monotonic() + EVERY_S

    def _begin(self) -> Child | None:
        command = [sys.executable, "-m", __name__]
        try:
            # A session of its own: Ctrl-C is for the search, and a URL may hold a password.
            child = subprocess.Popen(  # noqa: S603  our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            assert child.stdin
            with child.stdin as pipe:
                pipe.write(pickle.dumps(self._job))
        except OSError as error:
            self._troubles.add(WHAT, reason_of(error))
            return None
        return child

    def _settle(self, child: Child) -> None:
        """Reads what an ended process says: seconds of a processor, or why there is no page."""
        assert child.stdout
        with child.stdout as pipe:
            said = pipe.read().decode(errors="replace").strip()
        if child.returncode == 0:
            self._due = max(self._due, monotonic() + float(said) / SHARE)
        else:
            told = said or f"its process ended with {child.returncode}"
            self._troubles.add(WHAT, told.splitlines()[-1])


def _end(child: Child) -> None:
    """Ends a process that makes a page; one page at a time is written."""
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def beside() -> int:
    """The process beside the search: a job on standard input, its cost or a trouble on output."""
    # What is half written is taken away when we are asked to end.
    signal.signal(signal.SIGTERM, _leave)
    try:
        job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301  from the search that began us
        from mmsearch import sampling

        record = sampling.read(job.storage, job.study.name)
        os.nice(NICE)
        job.done(record)
    except Exception as error:  # noqa: BLE001  told by the search, which goes on
        print(reason_of(error))
        return 1
    print(process_time())
    return 0


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(beside())
