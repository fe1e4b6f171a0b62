"""Where study files lie, a path as it is or a name in the folder `search_spaces`; and records."""

from os.path import expanduser
from pathlib import Path

from mmsearch.errors import Problem, StudyError, closest, words_of

JOURNAL = "study.journal"
"""The record of a study that lies in its folder."""
_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")
"""Installed from a wheel, the folder lies inside the package; in a checkout, beside it."""


def find(name: str) -> Path:
    """The study file that is meant: a file's path, or the name of a study that is shipped.

    Raises:
        StudyError: there is no such file and no such name; says the closest one.
    """
    try:
        for path in (at_home(name), _folder() / f"{name}.toml"):
            if path.is_file():
                return path
        rule = "no file and no study of this name"
    except OSError as error:
        rule = f"no study can be looked for here: {words_of(error).lower()}"
    raise StudyError(
        Problem(name or "study", rule, f"Give a path or a name. {closest(name, known())}")
    )


def at_home(path: str) -> Path:
    """The path with a leading `~` filled in; of a user that is not known here it stays."""
    return Path(expanduser(path))  # noqa: PTH111  pathlib's raises where a user is not known


def journal_of(folder: Path) -> str:
    """URL of the record in a study's folder."""
    return f"journal://{folder / JOURNAL}"


def known() -> list[str]:
    """Names of the studies that are shipped."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
