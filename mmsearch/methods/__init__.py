"""Methods, one file each: a file `methods/<name>.py` is found by its name, no list to edit.

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

__all__ = ["build", "find", "known", "schema_of"]


def known() -> list[str]:
    """Names of all methods, sorted."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if file.stem not in {"__init__", "base"})


def find(name: str) -> "type[Method]":
    """The method of this name.

    Raises:
        StudyError: no file has this name; the message says the closest one.
    """
    if name not in known():
        raise StudyError(Problem("method", f"no method is called {name!r}", closest(name, known())))
    from mmsearch.methods.base import Method

    module = import_module(f"{__name__}.{name}")
    classes: list[type[Method]] = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Method)
        and value.__module__ == module.__name__
    ]
    assert len(classes) == 1, f"{module.__name__} must define one method, has {classes}"
    return classes[0]


def schema_of(name: str) -> "type[MethodConfig]":
    """The configuration of the method of this name; raises as `find` does."""
    return find(name).Config


def build(name: str, config: Mapping[str, Any], task: "Task") -> "Method":
    """A method with freshly drawn weights.

    Args:
        name: the method's.
        config: its configuration, complete or not: what is missing is as published.
        task: what it is built for.

    Raises:
        StudyError: unknown name, a configuration that the method's `Config` refuses, or a task
            that the method cannot take.
    """
    from pydantic import ValidationError

    method = find(name)
    try:
        checked = method.Config.model_validate(config)
    except ValidationError as error:
        raise StudyError(
            [
                Problem(
                    ".".join(map(str, ("config", *entry["loc"]))),
                    f"{entry['msg']}, got {entry['input']!r}",
                )
                for entry in error.errors()
            ]
        ) from error
    return method(checked, task)
