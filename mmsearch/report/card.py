"""What a card says of one trial beside its configuration: all that training it again needs.

Unusual: a card holds the study that the trial was found by, space and all, and the trial's curve,
so that nothing else has to be kept.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import tomli_w

from mmsearch import provenance
from mmsearch.report.standing import describe_trial, summary
from mmsearch.report.timeline import HOUR, gpus_per_trial
from mmsearch.study import Study
from mmsearch.trial import Record, Trial, has_value

RUNNERS_UP = 4


def sections(record: Record, study: Study, trial: Trial) -> dict[str, Any]:
    """Tables of a card by name, in their order; a value may be None where it is not known.

    Args:
        record: the study as it stands.
        study: as it is searched.
        trial: whom the card is about; its objective was observed.
    """
    return {
        "validation": validation(study, trial),
        "spent": spent(record, study),
        "runners_up": runners_up(record, but=trial.number),
        "study": searched(study),
    }


def validation(study: Study, trial: Trial) -> dict[str, Any]:
    """Metrics of the epoch that the trial's value is from, and the objective by epoch, from 1."""
    at = next(o for o in trial.observations if o.epoch == trial.value_epoch)
    checkpoint = trial.checkpoint
    return {
        "epoch": trial.value_epoch,
        "epochs": trial.epoch,
        "workers": checkpoint.world_size if checkpoint else study.resources.workers,
        "curve": [o.metrics[study.objective.metric] for o in trial.observations],
        "metrics": at.valid,
    }


def spent(record: Record, study: Study) -> dict[str, Any]:
    """What the search has cost so far: trials by state, epochs, and hours of what it trained on."""
    hours = sum(trial.train_seconds for trial in record.trials) / HOUR
    gpus = gpus_per_trial(record, study)
    cores = study.resources.workers * record.provenance.get("threads", 1)
    return {
        "epochs": sum(trial.epoch for trial in record.trials),
        "gpu_hours": hours * gpus if gpus else None,
        "core_hours": None if gpus else hours * cores,
        "trials": summary(record).counts,
    }


def runners_up(record: Record, *, but: int) -> list[dict[str, Any]]:
    """The best completed trials besides one, the best first."""
    others = [trial for trial in record.ranking if trial.number != but and has_value(trial)]
    return [
        {
            "trial": trial.number,
            "value": trial.value,
            "epoch": trial.value_epoch,
            "searched": describe_trial(trial),
        }
        for trial in others[:RUNNERS_UP]
    ]


def searched(study: Study) -> dict[str, Any]:
    """The resolved study without its configurations, which are on record alone."""
    document = tomllib.loads(study.text)
    return {key: value for key, value in document.items() if key not in {"published", "first"}}


def space_hash(study: Study) -> str:
    """SHA-256 of the space, the same for every study that searches it."""
    space: Mapping[str, Any] = tomllib.loads(study.text).get("space", {})
    return sha256(tomli_w.dumps(space).encode()).hexdigest()


def sitting(record: Record, trial: Trial) -> Mapping[str, Any]:
    """What the trial was trained on: the record's provenance, or that of a later sitting."""
    sittings = provenance.sittings(record.provenance)
    began = trial.segments[0].started_at if trial.segments else None
    if began is None:
        return sittings[0]
    before = [one for one in sittings if _moment(one) <= began]
    return before[-1] if before else sittings[0]


def _moment(sitting: Mapping[str, Any]) -> float:
    """When a sitting began, in seconds since 1970; one that does not say counts as the first."""
    told = sitting.get("collected_at")
    return datetime.fromisoformat(told).timestamp() if isinstance(told, str) else 0.0
