"""Small documents of headings, sentences, tables and code, as Markdown and as LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmsearch.report.latex import escaped, line


@dataclass(frozen=True)
class Heading:
    """Begins a part."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Sentences:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table of words."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Code:
    """Text that is kept as it is, such as TOML."""

    text: str
    language: str = "toml"


Part = Heading | Sentences | Grid | Code
Document = Sequence[Part]


def markdown(document: Document) -> str:
    """All parts, a blank line between."""
    return "\n\n".join(_markdown(part) for part in document) + "\n"


def latex(document: Document) -> str:
    """All parts, for an appendix to take in as they are; needs booktabs and longtable."""
    needs = "% needs \\usepackage{booktabs,longtable}"
    return "\n\n".join([needs, *(_latex(part) for part in document)]) + "\n"


def _markdown(part: Part) -> str:
    if isinstance(part, Heading):
        return f"{'#' * part.level} {part.text}"
    if isinstance(part, Sentences):
        return part.text
    if isinstance(part, Code):
        return f"```{part.language}\n{part.text.rstrip()}\n```"
    lines = [part.heads, ["---"] * len(part.heads), *part.rows]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _latex(part: Part) -> str:
    if isinstance(part, Heading):
        command = ("section", "subsection", "subsubsection")[part.level - 1]
        return rf"\{command}*{{{escaped(part.text)}}}"
    if isinstance(part, Sentences):
        return escaped(part.text)
    if isinstance(part, Code):
        return "\\begin{verbatim}\n" + part.text.rstrip() + "\n\\end{verbatim}"
    width = f"p{{{0.94 / len(part.heads):.3f}\\linewidth}}"
    return "\n".join(
        [
            rf"\begin{{longtable}}{{{width * len(part.heads)}}}",
            r"\toprule",
            line([escaped(head) for head in part.heads]),
            r"\midrule",
            r"\endhead",
            *(line([escaped(cell) for cell in row]) for row in part.rows),
            r"\bottomrule",
            r"\end{longtable}",
        ]
    )
