"""Whether what a file claims to hold fits into memory, asked before any is taken for it."""

from psutil import virtual_memory


def must_fit(size: int) -> None:
    """Whether so many bytes can be had at this moment.

    Raises:
        ValueError: they cannot.
    """
    free = virtual_memory().available
    if size > free:
        raise ValueError(f"takes {size / 1e9:.3g} GB of memory, {free / 1e9:.3g} GB are free")
