"""One worker of a gang: a Ray actor that stays warm.

Unusual: torch and the training room are imported when the actor is made, not when this module
is, because the gang's leader names this class and needs neither. What the leader asks while it
waits is answered by another thread than the one that trains.
"""

import faulthandler
import os
import socket
from typing import Any

import ray

from mmsearch.cluster.interfaces import free_port, prescribe
from mmsearch.cluster.messages import Begin, Go, Save, Stretch
from mmsearch.cluster.pulse import Beat, Patience, Pulse
from mmsearch.study import Study

ASIDE = "aside"
"""Ray's concurrency group of the methods that do not wait for training."""


class GangWorker:
    """Speaks Ray for a `Segments`."""

    def __init__(self, study: Study, parcel: Any, *, rank: int, patience: Patience) -> None:
        from mmsearch.cluster.segment import Segments
        from mmsearch.datasets.sealing import seal

        seal(
            *([study.data] if study.data else []),
            but=[view.folder for view in parcel.views.values()],
        )
        self._pulse = Pulse(patience)
        self._segments = Segments(
            study, parcel, rank=rank, gpu=bool(ray.get_gpu_ids()), pulse=self._pulse
        )

    def host(self) -> tuple[str, str, int, str]:
        """Name and address of this worker's machine, a port that is free on it, its Ray node."""
        address = ray.util.get_node_ip_address()
        node = ray.get_runtime_context().get_node_id()
        return socket.gethostname(), address, free_port(address), node

    def join(self, init_method: str) -> None:
        """See `Segments.join`; over the network that Ray uses."""
        prescribe(ray.util.get_node_ip_address(), os.environ)
        self._segments.join(init_method)

    def carry_out(
        self, order: Begin | Go | Save, *, until: int, save: bool
    ) -> tuple[Stretch, float]:
        """See `Segments.carry_out`."""
        return self._segments.carry_out(order, until=until, save=save)

    @ray.method(concurrency_group=ASIDE)
    def pulse(self) -> Beat:
        """How training goes on, while it does."""
        return self._pulse.read()

    @ray.method(concurrency_group=ASIDE)
    def say_where(self) -> None:
        """Writes into the trial's log what each thread is at."""
        print("the gang hangs; this worker is at:", flush=True)
        faulthandler.dump_traceback(file=2)
