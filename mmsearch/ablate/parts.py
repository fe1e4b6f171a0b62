"""Kinds of parts that a method can do without."""

from enum import StrEnum


class Part(StrEnum):
    """What may be taken away."""

    TERMS = "terms"
    SWITCHES = "switches"
    BRANCHES = "branches"
