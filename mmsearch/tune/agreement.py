"""Whether a study on record can go on as asked, and what to do where it cannot."""

from pathlib import Path
from typing import Literal

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.errors import ConflictError, Problem
from mmsearch.study import Study
from mmsearch.trial import Record

AS_RECORDED = "Ask for what is on record to go on with it (--resume remembers its overrides)"
ANOTHER = "start another study with --name."
Widening = Literal["nothing", "epochs", "space"]
"""What the user lets a new generation of the study differ in; `space` allows both."""


def must_agree(asked: Study, record: Record, folder: Path, *, widening: Widening) -> None:
    """Whether the study can go on as it is asked for.

    Raises:
        ConflictError: it cannot, or only in a new generation that was not asked for.
    """
    recorded = methods.study_of(record)
    objection = _to_generation(recorded, asked, widening) or _to_trials(record, asked)
    if objection:
        raise ConflictError(Problem(f"study {record.name!r} at {folder}", *objection))


def _to_trials(record: Record, asked: Study) -> tuple[str, str] | None:
    known, wanted = len(record.trials), asked.budget.trials
    if wanted >= known:
        return None
    rule = f"budget.trials: {known} are on record, {wanted} asked for"
    return rule, f"Ask for at least {known}, or {ANOTHER}"


def _to_generation(recorded: Study, asked: Study, widening: Widening) -> tuple[str, str] | None:
    """What speaks against going on where the two differ, and a way out."""
    lines = studies.difference(recorded, asked)
    rule = "what is asked for is not what is on record: " + "; ".join(lines)
    if not lines:
        return None
    if not studies.widens(recorded, asked):
        return rule, f"{AS_RECORDED}, or {ANOTHER}"
    if _networks(recorded) != _networks(asked):
        rule = "the space asks for other networks that read raw data than the trials on record had"
        return rule, f"Keep their models and what they read, or {ANOTHER}"
    before, after = recorded.budget.max_epochs, asked.budget.max_epochs
    if before < after and methods.find(asked.method).plans_ahead:
        rule = (
            f"{asked.method} plans its training by max_epochs from the first epoch on, so what was "
            f"trained for {before} epochs is not the beginning of {after}"
        )
        return rule, f"Leave max_epochs at {before}, or {ANOTHER}"
    same_space = not any(line.startswith("space") for line in lines)
    if widening == "space" or (widening == "epochs" and same_space):
        return None
    return rule, (
        f"Add --widen to take all trials over into a new generation of the study. {AS_RECORDED}, "
        f"or {ANOTHER}"
    )


def _networks(study: Study) -> set[str]:
    """What is computed of raw data before a search: a part of the data's fingerprint."""
    from mmsearch import backbones

    found = backbones.of_study(study, methods.schema_of(study.method))
    return {one.key for one in found}
