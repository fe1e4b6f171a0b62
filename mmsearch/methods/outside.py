"""Methods from outside the package: a file of the user's, or an entry point of what is installed.

Unusual: a file is imported once in a process, under a name made from its path; every worker
imports it anew, so all machines must see it at the same path.
"""

import ast
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isabstract
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TypeVar

from mmsearch.datasets.sealing import imported
from mmsearch.errors import Problem, StudyError
from mmsearch.methods.base import Method, MethodConfig
from mmsearch.study.files import at_home

GROUP = "mmsearch.methods"
Loaded = TypeVar("Loaded")


def methods_of(module: ModuleType) -> list[type[Method]]:
    """The methods that a module defines; those that it imports are not its own."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Method)
        and value.__module__ == module.__name__
    ]


def from_file(name: str) -> type[Method]:
    """The one method that a file defines.

    Args:
        name: the file's path; a relative one starts at the working folder.

    Raises:
        StudyError: there is no such file, it cannot be imported, it defines no method or several,
            or its method is not complete.
    """
    path = at_home(name).resolve()
    if not path.is_file():
        way_out = f"A relative path starts at the working folder, {Path.cwd()}."
        raise StudyError(Problem("method", f"there is no file {name}", way_out))
    _require_sealed(path, name)
    found = methods_of(_attempt(lambda: _module(path), name, path))
    if len(found) == 1:
        return _complete(found[0], name)
    classes = ", ".join(method.__name__ for method in found) or "none"
    rule = f"{name} must define one subclass of mmsearch.methods.base.Method, got {classes}"
    raise StudyError(Problem("method", rule, "Give every method a file of its own."))


def installed() -> dict[str, EntryPoint]:
    """Entry points of installed packages in the group `mmsearch.methods`, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def from_entry_point(point: EntryPoint) -> type[Method]:
    """The method that an entry point names, as `package.module:Class`.

    Raises:
        StudyError: it cannot be imported, is no method, or is not complete.
    """
    where = f"entry point {point.name} = {point.value}"
    method = _attempt(point.load, where, None)
    if not isinstance(method, type) or not issubclass(method, Method):
        rule = f"{where} must name a subclass of mmsearch.methods.base.Method"
        raise StudyError(Problem("method", rule, "Name it as package.module:Class."))
    return _complete(method, where)


def _require_sealed(path: Path, name: str) -> None:
    """Whether the file leaves alone what gives the test split."""
    try:
        reached = sorted(imported(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):
        return  # Importing it will say so.
    if reached:
        rule = f"{name} imports {', '.join(reached)}, and no method may see the test split"
        way_out = "Take it out: `python -m mmsearch.best STUDY --open-test` evaluates the choice."
        raise StudyError(Problem("method", rule, way_out))


def _module(path: Path) -> ModuleType:
    name = f"mmsearch_method_{path.stem}_{sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    # Registered before it runs: dataclasses and pydantic look a class's module up there.
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _attempt(load: Callable[[], Loaded], where: str, path: Path | None) -> Loaded:
    """What `load` gives, or its error as a user's mistake, with the line of `path` it came from."""
    try:
        return load()
    except Exception as error:
        lines = [
            frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = f" in line {lines[-1]}" if lines else ""
        rule = f"{where} cannot be imported: {type(error).__name__}{line}: {error}"
        raise StudyError(Problem("method", rule, "Mend the file or the package.")) from error


def _complete(method: type[Method], where: str) -> type[Method]:
    config = getattr(method, "Config", None)
    lacking = sorted(method.__abstractmethods__) if isabstract(method) else []
    if not isinstance(config, type) or not issubclass(config, MethodConfig):
        lacking.append("a Config that is a subclass of mmsearch.methods.base.MethodConfig")
    if lacking:
        rule = f"{method.__name__} in {where} lacks {', '.join(lacking)}"
        raise StudyError(Problem("method", rule, "Compare it with a file of mmsearch/methods."))
    return method
