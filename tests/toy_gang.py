"""A gang of real processes that stay up between tests, since each imports torch for seconds."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from mmsearch.training import Worker, join, leave

CPU = torch.device("cpu")
TIMEOUT_S = 120.0


class Gang:
    """Workers joined by gloo that run the same function at the same time."""

    def __init__(self, folder: Path, size: int, *, device: torch.device = CPU) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for rank in range(size):
            ours, theirs = context.Pipe()
            worker = Worker(rank=rank, world_size=size, device=device)
            process = context.Process(
                target=_serve, args=(worker, f"file://{folder}/meeting", theirs), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def call(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """What `function(worker, *args)` returns on each worker, by rank."""
        for pipe in self._pipes:
            pipe.send((function, args))
        answers = []
        for rank, pipe in enumerate(self._pipes):
            assert pipe.poll(TIMEOUT_S), f"worker {rank} does not answer"
            answers.append(pipe.recv())
        failures = [str(answer) for failed, answer in answers if failed]
        assert not failures, "\n".join(failures)
        return [answer for _, answer in answers]

    def close(self) -> None:
        """Lets the workers leave; kills those that do not."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(20)
            if process.is_alive():
                process.kill()


def _serve(worker: Worker, init_method: str, pipe: Connection) -> None:
    join(worker, init_method=init_method)
    while (order := pipe.recv()) is not None:
        function, args = order
        try:
            pipe.send((False, function(worker, *args)))
        except Exception:  # noqa: BLE001  told to the test, which raises it
            pipe.send((True, f"worker {worker.rank}:\n{traceback.format_exc()}"))
    leave()
