"""What we print as LaTeX goes through LaTeX; skipped where there is none."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_compare_files import DOCUMENT
from test_comparison import a_print
from toy_report import a_record, a_study

from mmsearch.report import document
from mmsearch.report.latex import best_table, space_table
from mmsearch.selection import tables

STUDY = a_study(trials=30)
TEXTS = {
    "comparison": lambda: tables.latex(a_print()),
    "appendix": lambda: document.latex(DOCUMENT),
    "best": lambda: best_table(a_record(STUDY), STUDY),
    "space": lambda: space_table(STUDY),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_it_compiles_with_the_packages_that_it_names(name, tmp_path):
    compiled(TEXTS[name](), tmp_path)


def compiled(text: str, folder: Path) -> None:
    """Compiles a text in the body of a plain article."""
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("needs pdflatex, of Debian's texlive-latex-recommended")
    packages = re.findall(r"needs \\usepackage\{(.+)\}", text)
    named = "".join(rf"\usepackage{{{one}}}" for one in packages)
    (folder / "paper.tex").write_text(
        rf"\documentclass{{article}}{named}\begin{{document}}" + f"\n{text}\n" + r"\end{document}"
    )
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 5000
    assert "Missing character" not in (folder / "paper.log").read_text(errors="replace")
