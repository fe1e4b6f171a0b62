"""What was chosen, as a file: the configuration in `[published]` shape, and every candidate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from mmsearch.report.files import write_atomically
from mmsearch.selection.choice import LEVEL, Choice, Row
from mmsearch.selection.receipts import Opening
from mmsearch.study.plain import without_none

NAME = "selection.toml"
REMARK = "# Chosen on valid under fresh seeds. [published] can start the next study.\n\n"


def write_selection(choice: Choice, openings: Sequence[Opening], path: Path) -> None:
    """Writes the choice with all that speaks for it.

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    contest = choice.contest
    document: dict[str, Any] = {
        "published": choice.chosen.candidate.trial.config,
        "selection": {
            "study": contest.search.name,
            "searched": sum(trial.ended for trial in contest.search.trials),
            "metric": contest.search.metric,
            "direction": contest.search.direction,
            "trial": choice.chosen.number,
            "rule": choice.rule,
            "why": choice.why,
            "level": LEVEL,
            "noise": choice.noise,
            "epochs": contest.spent,
            "budget_epochs": contest.budget,
            "test_opened": len(openings),
        },
        "candidates": [_told(row, choice) for row in choice.rows],
        "openings": list(openings),
    }
    write_atomically(path, REMARK + tomli_w.dumps(without_none(document)))


def _told(row: Row, choice: Choice) -> Mapping[str, Any]:
    return {
        "trial": row.number,
        "published": row.number == choice.contest.published.number,
        "chosen": row is choice.chosen,
        "tied": row.tied,
        "seeds": row.seeds,
        "mean": row.mean,
        "sd": row.sd,
        "expected": row.expected,
        "low": row.low,
        "high": row.high,
        "probability_best": row.best,
        "p_against_published": row.p,
        "weights": row.weights,
        "searched_value": row.candidate.trial.value,
        "values": {str(seed): v for seed, v in sorted(row.candidate.values.items())},
        "failures": {str(seed): state.reason for seed, state in row.failures.items()},
    }
