"""What a method is given under a configuration: its backbones' features in place of what is raw."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel
from torch import Tensor

from mmsearch.backbones.choices import FIELDS, Chosen, of_config
from mmsearch.backbones.views import mapped, source
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData, Task, View
from mmsearch.errors import Problem, StudyError


def seen_task(task: Task, views: Mapping[str, View], config: BaseModel) -> Task:
    """The task with the widths that the configuration's backbones give.

    Raises:
        StudyError: a modality is raw and has no backbone.
    """
    chosen = {one.modality: views[one.key].width for one in of_config(config)}
    widths = {name: chosen.get(name, width) for name, width in task.modalities.items()}
    raw = [name for name, width in widths.items() if width == 0]
    if raw:
        raise StudyError([_unread(task, name) for name in raw])
    return replace(task, modalities=widths)


def seen(data: SearchData, config: BaseModel) -> SearchData:
    """The data as the configuration's trial takes it.

    Of a network that learns along, the modality holds what it reads; of all others features.

    Raises:
        StudyError: a modality is raw and has no backbone, or a network that learns along is not
            the one that the search was planned with: workers on other machines load it too.
    """
    chosen = of_config(config)
    strange = [one for one in chosen if one.learns and not _planned(one, data.views[one.key])]
    if strange:
        raise StudyError([_replaced_network(one) for one in strange])
    task = seen_task(data.task, data.views, config)
    train, valid = (
        _replaced(batch, {one.modality: mapped(data.views[one.key], split) for one in chosen})
        for split, batch in (("train", data.train), ("valid", data.valid))
    )
    return replace(data, task=task, train=train, valid=valid)


def learning(config: BaseModel) -> Sequence[Chosen]:
    """The configuration's backbones that learn along."""
    return [one for one in of_config(config) if one.learns]


def _replaced(batch: Batch, views: Mapping[str, tuple[Tensor, Tensor]]) -> Batch:
    return replace(
        batch,
        inputs={**batch.inputs, **{name: values for name, (values, _) in views.items()}},
        lengths={**batch.lengths, **{name: lengths for name, (_, lengths) in views.items()}},
    )


def _unread(task: Task, name: str) -> Problem:
    rule = f"{task.dataset} has raw {name}, and no network is chosen that reads it"
    way_out = 'Set it to { kind = "frozen", model = "..." } or { kind = "fine_tuned", ... }.'
    return Problem(f"[published] {FIELDS[name]}", rule, way_out)


def _planned(one: Chosen, view: View) -> bool:
    return source(one).identity == view.identity


def _replaced_network(one: Chosen) -> Problem:
    rule = "is not the network here that the search was planned with"
    way_out = "Put the same folder at that path on every machine, or start another study."
    return Problem(f"model {one.settings.model!r}", rule, way_out)
