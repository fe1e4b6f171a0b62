"""What the user asked `compare` for, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RACE_SHARE = 0.25
"""Of the most epochs that a search could take: what a race may take."""
Leaves = Mapping[str, Any]
"""Values by dotted key."""


@dataclass(frozen=True)
class Request:
    """All options; what is None was not said."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    """Of the blocks; none for the first study's own."""
    overrides: Leaves
    """Of all studies."""
    machines: Leaves
    """Overrides that say where data lies and what trains."""
    seeds: int
    """Replicates of every row."""
    candidates: int
    race_epochs: int | None
    """What each race may take; None for `RACE_SHARE`."""
    out: Path
    name: str | None
    address: str | None
    against: str | None
    """Row that all are tested against; None for the best."""
    published: Path | None
    """File of figures that papers print."""
    open_test: bool
    unequal: bool
    title: str = "Methods under equal budgets"
    """Of the tables; dataset and split follow."""
    command: str | None = None
    """That makes the tables again; None for `compare` with these options."""
