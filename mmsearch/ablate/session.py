"""One sitting at an ablation: the comparison of all rows, then what the search itself says."""

from rich.console import Console

from mmsearch import methods
from mmsearch.ablate.asking import Asked
from mmsearch.compare import session
from mmsearch.report import describe_trial
from mmsearch.report.importances import Fidelity, importances

SHOWN = 8
"""Parameters whose importance is printed."""


def run(asked: Asked) -> bool:
    """Runs one sitting; returns whether the table is printed.

    Raises:
        MmsearchError: a mistake of the user.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    chosen = asked.choice.chosen
    console.print(f"{asked.search.name}: trial {chosen.number} without each of its parts")
    console.print(f"  {describe_trial(chosen.candidate.trial)}")
    if not session.run(asked.comparison, asked.blocks):
        return False
    for one in importances(asked.search, methods.study_of(asked.search)):
        console.print(*told(one), sep="\n")
    return True


def told(one: Fidelity) -> list[str]:
    """What moved the objective in the search at one fidelity, stopped trials included."""
    where = "full fidelity" if one.epoch is None else f"epoch {one.epoch}"
    lines = [
        "",
        (
            f"Importances at {where}, {one.trials} trials, by a model that explains "
            f"{one.explained:.0%} of what it has not seen:"
        ),
    ]
    return lines + [
        f"  {row.parameter:28} {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
        for row in one.importances[:SHOWN]
    ]
