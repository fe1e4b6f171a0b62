"""An earlier study as a prior: its best configurations are tried first.

Unusual: nothing else of it is believed. Whether they are good here is observed like everything
else, so a misleading study costs as many trials as it has configurations to offer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mmsearch.errors import Problem, StudyError
from mmsearch.study import Study
from mmsearch.study.files import journal_of
from mmsearch.trial import Record

MOST = 5
"""Configurations that are taken over."""


def best_of(place: str, study: Study) -> list[dict[str, Any]]:
    """The searched part of the best configurations of an earlier study, the best first.

    Args:
        place: its folder, or the URL of its storage.
        study: for which they are wanted: those outside its space are left out.

    Raises:
        StorageError: no record there.
        StudyError: of another method, or none of its completed trials lies in the space.
    """
    from mmsearch import sampling

    url = place if "://" in place else journal_of(Path(place).resolve())
    record = sampling.read(url)
    _same_method(record, study, place)
    chosen: list[dict[str, Any]] = []
    for trial in record.ranking:
        searched = {key: trial.config[key] for key in study.space.parameters if key in trial.config}
        whole = {**study.published, **searched}
        if study.space.misfits(whole, place="") or whole == study.published:
            continue
        chosen.append(_written(searched))
    if not chosen:
        rule = "no completed trial of it but the published one lies in the space"
        raise StudyError(Problem(f"--prior {place}", rule, "Leave it out, or widen the space."))
    return chosen[:MOST]


def _same_method(record: Record, study: Study, place: str) -> None:
    import tomllib

    method = tomllib.loads(record.study_text)["method"]
    if method != study.method:
        rule = f"is a study of {method}, and {study.method} is to be searched"
        raise StudyError(Problem(f"--prior {place}", rule, "Name a study of the same method."))


def _written(table: Mapping[str, Any]) -> dict[str, Any]:
    """As a study file has it: without what has no value."""
    return {
        key: _written(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
