"""One HTML page of a whole study: opens without server or network, and holds its data.

Unusual: the figures are drawn by a small script of our own, as SVG whose colours are variables of
the style sheet. So light and dark need no redrawing, print is sharp, a trial under the pointer
lights up in every figure at once, and all of it takes less than a tenth of a charting library.
"""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from time import time
from typing import Any

from mmsearch.report.facts import Json, facts
from mmsearch.report.files import write_atomically
from mmsearch.study import Study
from mmsearch.trial import Record

NAME = "report.html"
FOLDER = Path(__file__).parent / "html"
SCRIPTS = (
    "base",
    "frame",
    "progress",
    "curves",
    "parameters",
    "parallel",
    "time",
    "table",
    "trial",
    "race",
    "main",
)
"""Files of the script, in the order in which they need each other."""


def write_page(
    record: Record,
    study: Study,
    path: Path,
    *,
    written_at: float | None = None,
    race: Mapping[str, Any] | None = None,
) -> None:
    """Write the page of a study as it stands.

    Args:
        record: of the study.
        study: what is searched.
        path: of the file.
        written_at: in seconds since 1970 (UTC); None is now.
        race: what the study's files say of a race and of test, see `selection.told`.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    now = time() if written_at is None else written_at
    found = facts(record, study, written_at=now, race=race)
    write_atomically(path, page(found))


def page(found: Json) -> str:
    """The page that shows what `facts` found."""
    scripts = "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return Template((FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(
            f"{found['study']['name']}: {found['study']['method']} on {found['study']['dataset']}"
        ),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        facts=embedded(found),
        script=scripts,
    )


def embedded(found: Json) -> str:
    """JSON that may stand inside a script element, whatever texts it holds."""
    text = json.dumps(found, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for one in "<>&\u2028\u2029":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return text
