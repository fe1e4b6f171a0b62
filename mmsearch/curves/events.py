"""Event files: TensorBoard's records on disk, appended to without holding a file open.

Unusual: every sitting of a trial writes a file of its own, numbered, so that readers, which take
a folder's files in the order of their names, meet the sittings in order whatever the clocks of
the machines say; and a record torn by a kill stays the last one of its file.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.summary.writer.record_writer import RecordWriter

FILE_VERSION = "brain.Event:2"
"""Makes readers heed restarts."""


def read(folder: Path) -> Iterator[Event]:
    """All whole events of a run's folder, oldest first; none when there is no such folder."""
    for path in sorted(folder.glob("events.out.tfevents.*")):
        yield from _read(path)


def _read(path: Path) -> Iterator[Event]:
    reader = PyRecordReader_New(str(path))
    try:
        while True:
            reader.GetNext()
            yield Event.FromString(reader.record())
    except (OutOfRangeError, DataLossError):
        return


def amend(folder: Path, change: Callable[[Event], Event | None]) -> None:
    """Replaces events of a run's folder, or takes out those for which there is None.

    A file changes whole or not at all; readers that hold it open go on to see the old one.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        before = list(_read(path))
        after = [event for event in map(change, before) if event is not None]
        if after != before:
            partial = path.with_name("amended.partial")
            partial.unlink(missing_ok=True)
            append(partial, after)
            partial.replace(path)


def create(folder: Path, opening: Iterable[Event]) -> Path:
    """A new event file in a run's folder, later by name than those that are there.

    Raises:
        OSError: it cannot be written; it is not there then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("events.out.tfevents.*")))
    path = folder / f"events.out.tfevents.{number:010d}.mmsearch"
    try:
        append(path, [Event(wall_time=time.time(), file_version=FILE_VERSION), *opening])
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def append(path: Path, events: Iterable[Event]) -> None:
    """Write events behind those of the file; when it returns, readers can see them."""
    with path.open("ab") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


def scalars(values: Mapping[str, float], *, epoch: int) -> Event:
    """One point on each of several curves, by tag."""
    points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    return Event(wall_time=time.time(), step=epoch, summary=Summary(value=points))


def metadata(summary: Summary) -> Event:
    """A summary that says something about the whole run."""
    return Event(wall_time=time.time(), step=0, summary=summary)


def restart(epoch: int) -> Event:
    """From here on, what readers have seen of this epoch and later ones no longer counts."""
    return Event(wall_time=time.time(), step=epoch, session_log=SessionLog(status=SessionLog.START))


def is_restart(event: Event) -> bool:
    """Whether the event withdraws earlier ones; see `restart`."""
    return event.session_log.status == SessionLog.START
