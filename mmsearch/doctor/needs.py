"""Versions that mmsearch can do with, as its own package says."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet


@cache
def needs() -> dict[str, SpecifierSet]:
    """By package, and `python`; empty where mmsearch is not installed but run from its files."""
    try:
        about = metadata("mmsearch")
    except PackageNotFoundError:
        return {}
    asked = [Requirement(line) for line in about.get_all("Requires-Dist") or []]
    found = {one.name: one.specifier for one in asked if one.marker is None}
    return found | {"python": SpecifierSet(about["Requires-Python"] or "")}
