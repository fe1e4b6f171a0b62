"""Methods, one file each: found by the name of a file here, an entry point, or a file's path.

A name is that of a file `methods/<name>.py`, or of an entry point that an installed package
declares in the group `mmsearch.methods`; what ends in `.py` is the path of a user's own file, from
the working folder. There is no list to edit.

Unusual: importing this package is cheap; torch and a method's file are loaded when it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.errors import Problem, StudyError, closest

if TYPE_CHECKING:
    from mmsearch.datasets.task import Task
    from mmsearch.methods.base import Method, MethodConfig
    from mmsearch.study import Study
    from mmsearch.trial import Record

__all__ = ["build", "complete", "find", "known", "schema_of", "study_of"]


_MACHINERY = {"__init__", "base", "lr_schedule", "outside"}


def known() -> list[str]:
    """Names of all methods of this package, sorted."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if file.stem not in _MACHINERY)


def find(name: str) -> "type[Method]":
    """The method of this name, or in the file at this path.

    Every worker finds it anew by the same text: a file must lie at that path on every machine, and
    a package be installed there.

    Raises:
        StudyError: nothing has this name (the message says the closest one), or what has it is no
            method.
    """
    if name in known():
        return _own(name)
    from mmsearch.methods.outside import from_entry_point, from_file, installed

    if name.endswith(".py"):
        return from_file(name)
    points = installed()
    if name not in points:
        hint = closest(name, [*known(), *points])
        raise StudyError(Problem("method", f"no method is called {name!r}", hint))
    return from_entry_point(points[name])


def _own(name: str) -> "type[Method]":
    from mmsearch.methods.outside import methods_of

    module = import_module(f"{__name__}.{name}")
    classes = methods_of(module)
    assert len(classes) == 1, f"{module.__name__} must define one method, has {classes}"
    return classes[0]


def schema_of(name: str) -> "type[MethodConfig]":
    """The configuration of a method; raises as `find` does."""
    return find(name).Config


def study_of(record: "Record", overrides: Mapping[str, Any] | None = None) -> "Study":
    """The study as a record has it, with these values in it.

    Raises:
        StudyError: its method is not here, or is another one by now.
    """
    from mmsearch import study

    return study.loads(
        record.study_text,
        place="the record",
        schema_of=schema_of,
        overrides=overrides,
        name=record.name,
    )


def build(name: str, config: Mapping[str, Any], task: "Task") -> "Method":
    """A method with freshly drawn weights.

    Args:
        name: the method's, or the path of its file.
        config: its configuration, complete or not: what is missing is as published.
        task: what it is built for.

    Raises:
        StudyError: unknown name, a configuration that the method's `Config` refuses, or a task
            that the method cannot take.
    """
    return find(name)(complete(name, config), task)


def complete(name: str, config: Mapping[str, Any]) -> "MethodConfig":
    """A method's whole configuration, checked.

    Args:
        name: the method's, or the path of its file.
        config: complete or not: what is missing is as published.

    Raises:
        StudyError: unknown name, or a configuration that the method's `Config` refuses.
    """
    from pydantic import ValidationError

    from mmsearch.space.schema import rule_of

    try:
        return find(name).Config.model_validate(config)
    except ValidationError as error:
        raise StudyError(
            [
                Problem(
                    ".".join(map(str, ("config", *entry["loc"]))),
                    rule_of(entry),
                    "Correct it in [published] or [space].",
                )
                for entry in error.errors()
            ]
        ) from error
