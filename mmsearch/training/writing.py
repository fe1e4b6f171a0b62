"""Workers that write one checkpoint together, of whom each may run out of disk.

Unusual: a worker that raises between two collectives leaves the others waiting in the next one. So
what DeepSpeed cannot write is noted and passed over, and all workers raise together afterwards.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from mmsearch.errors import words_of
from mmsearch.training.endings import Unwritten
from mmsearch.training.worker import Worker

PROBE = 2**20
"""Bytes that a disk takes which is not full."""


class Writing:
    """One checkpoint being written, on one worker."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self._worker = worker
        self._folder = folder
        self._fault: str | None = None

    def alone(self, write: Callable[[], None]) -> None:
        """Rank 0 writes, and the others wait for it.

        Raises:
            Unwritten: on all workers, when it could not.
        """
        if self._worker.rank == 0:
            self._attempt(write)
        self._agree()

    @contextmanager
    def guarded(self, engine: Any) -> Iterator[None]:
        """A DeepSpeed engine writes on all workers in here.

        Raises:
            Unwritten: on all workers, when one could not.
        """
        files = engine.checkpoint_engine
        guarded = {(files, "save"), (files, "makedirs"), (engine, "_copy_recovery_script")}
        for owner, name in guarded:
            setattr(owner, name, self._guard(getattr(owner, name)))
        try:
            yield
        finally:
            for owner, name in guarded:
                delattr(owner, name)
        self._agree()

    def _guard(self, write: Callable[..., None]) -> Callable[..., None]:
        def guarded(*arguments: Any, **keywords: Any) -> None:
            self._attempt(lambda: write(*arguments, **keywords))

        return guarded

    def _attempt(self, write: Callable[[], None]) -> None:
        """Writes, unless writing has failed already."""
        if self._fault is not None:
            return
        try:
            write()
        except OSError as error:
            self._fault = words_of(error)
        except RuntimeError as error:
            self._fault = self._meaning(error)

    def _meaning(self, error: RuntimeError) -> str:
        """What the disk says: torch's writers in C++ tell of their streams and positions."""
        probe = self._folder / "probe"
        try:
            probe.write_bytes(bytes(PROBE))
            probe.unlink()
        except OSError as plain:
            return words_of(plain)
        return str(error).partition("\n")[0]

    def _agree(self) -> None:
        failed = torch.tensor(float(self._fault is not None), device=self._worker.device)
        distributed.all_reduce(failed, op=distributed.ReduceOp.MAX)
        if failed.item():
            raise Unwritten(self._fault or "another worker could not write its part")
