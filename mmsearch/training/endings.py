"""How training ends badly: divergence as an exception, and any exception as a `Failed`."""

from collections.abc import Sequence

import torch

from mmsearch.trial import Failed, Observation


class Diverged(Exception):  # noqa: N818  an ending, not an error
    """A loss or a validation metric is NaN or infinite; the trial's fault, not a mistake of use."""

    def __init__(self, epoch: int, name: str, observations: Sequence[Observation] = ()) -> None:
        super().__init__(f"{name} is not finite after epoch {epoch}")
        self.epoch = epoch
        """Epoch that diverged."""
        self.name = name
        """Loss or metric that is not finite."""
        self.observations = tuple(observations)
        """Epochs before it that the same call of `Trainer.advance` trained."""

    def __reduce__(self) -> tuple[type, tuple[int, str, tuple[Observation, ...]]]:
        return type(self), (self.epoch, self.name, self.observations)


class OutOfMemory(Exception):  # noqa: N818  an ending, or none if there is another plan
    """There is too little memory for a trial as it is planned."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again
        """Whether it can be taken up again with a thriftier plan."""


class Unwritten(Exception):  # noqa: N818  what the world does, not a mistake of use
    """A checkpoint could not be written, on one worker or another; training may go on."""


def ending_of(error: BaseException) -> Failed:
    """The ending of a trial whose training raised this."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, Diverged):
        return Failed("nan", str(error))
    if isinstance(error, OutOfMemory):
        return Failed("oom", str(error))
    return Failed("oom" if means_out_of_memory(error) else "error", message)


def means_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says so, also one of cuDNN, cuBLAS or the CPU's allocator."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
