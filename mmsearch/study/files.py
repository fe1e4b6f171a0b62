"""Where study files lie: a path as it is, or a name in the folder `search_spaces`."""

from pathlib import Path

from mmsearch.errors import Problem, StudyError, closest

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")
"""Installed from a wheel, the folder lies inside the package; in a checkout, beside it."""


def find(name: str) -> Path:
    """The study file that is meant: a file's path, or the name of a study that is shipped.

    Raises:
        StudyError: there is no such file and no such name; says the closest one.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    candidate = _folder() / f"{name}.toml"
    if candidate.is_file():
        return candidate
    rule = "no file and no study of this name"
    raise StudyError(Problem(name, rule, f"Give a path or a name. {closest(name, known())}"))


def known() -> list[str]:
    """Names of the studies that are shipped."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
