"""The HParams tab: what a study searches, what each trial took, how each trial ended.

Unusual: readers keep the first description of a run that they meet, so each is written once, and
a running trial has none of its end: TensorBoard shows its status as unknown.
"""

from collections.abc import Iterator, Mapping, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    NULL_TENSOR,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
    create_summary_metadata,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import (
    Discrete,
    Domain,
    IntInterval,
    Metric,
    RealInterval,
    hparams_pb,
)

from mmsearch.space import (
    Branch,
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Space,
    Uniform,
    ZeroOrLogUniform,
)
from mmsearch.study import Objective
from mmsearch.trial import Failed, Scalar, TrialState

OBJECTIVE = "objective"
"""Tag of a trial's value against epochs."""
EPOCHS = "objective/epochs"
"""Tag of the epochs seen: as a column it tells stopped trials from completed ones."""
NUM_SHOWN = 5
"""Parameters that the tab shows until more are ticked."""


def domains(space: Space, prefix: str = "") -> Iterator[tuple[str, Domain]]:
    """Every parameter of a space with its domain, arms' parameters behind their branch."""
    for key, parameter in space.parameters.items():
        name = prefix + key
        match parameter:
            case Branch(arms=arms):
                yield name, Discrete(list(arms))
                for arm, inner in arms.items():
                    yield from domains(inner, f"{name}.{arm}.")
            case Choice(values=values):
                yield name, _discrete(values)
            case ZeroOrLogUniform(high=high):
                yield name, RealInterval(0.0, float(high))
            case Uniform(low=low, high=high) | LogUniform(low=low, high=high):
                yield name, RealInterval(float(low), float(high))
            case IntUniform(low=low, high=high) | IntLogUniform(low=low, high=high):
                yield name, IntInterval(low, high)


def _discrete(values: Sequence[Scalar]) -> Discrete:
    """A choice under one type: a column of mixed types would lose rows."""
    kinds = {type(value) for value in values}
    kind = kinds.pop() if len(kinds) == 1 else float if kinds == {int, float} else str
    return Discrete([kind(value) for value in values])


def study_summary(
    domains: Mapping[str, Domain], objective: Objective, metrics: Sequence[str]
) -> Summary:
    """Columns of the table: parameters, then the objective, epochs and the other metrics.

    Args:
        domains: every parameter's domain, by name, in the order of the study file. The first
            ones that exist in every trial are those that the tab shows from the start.
        objective: what the search is about; its column is a trial's value.
        metrics: tags of the metrics that every trial observes.
    """
    always = [name for name in domains if "." not in name]
    rest = [name for name in metrics if name != objective.metric]
    columns = [
        Metric(OBJECTIVE, display_name=f"{objective.epoch} {objective.metric}"),
        Metric(EPOCHS, display_name="epochs"),
        *(Metric(name, display_name=f"last {name}") for name in rest),
    ]
    experiment = api_pb2.Experiment(
        hparam_infos=[
            _parameter(name, domain, shown=name in always[:NUM_SHOWN])
            for name, domain in domains.items()
        ],
        metric_infos=[column.as_proto() for column in columns],
    )
    return _summary(EXPERIMENT_TAG, HParamsPluginData(experiment=experiment))


def _parameter(name: str, domain: Domain, *, shown: bool) -> api_pb2.HParamInfo:
    # The page sorts by name, but parameters that are said to differ come first.
    info = api_pb2.HParamInfo(name=name, differs=shown)
    domain.update_hparam_info(info)
    return info


def start_summary(
    domains: Mapping[str, Domain], coordinates: Mapping[str, Scalar], *, started_at: float
) -> Summary:
    """A trial's row: the parameters that exist in it, under their domains' types.

    It belongs to a group named as its run: with several studies under one folder, equal trial
    numbers stay apart. Of a trial that an earlier generation of the study brought, parameters that
    the space has no more are left out.
    """
    values = {
        name: domains[name].dtype(value)
        for name, value in coordinates.items()
        if name in domains and (domains[name].dtype is str or not isinstance(value, str))
    }
    return hparams_pb(values, trial_id="", start_time_secs=started_at)


def end_summary(state: TrialState, *, ended_at: float) -> Summary:
    """How a trial ended: stopped trials did so in good order, as completed ones."""
    failed = isinstance(state, Failed)
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    end = SessionEndInfo(status=status, end_time_secs=ended_at)
    return _summary(SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _summary(tag: str, data: HParamsPluginData) -> Summary:
    value = Summary.Value(tag=tag, metadata=create_summary_metadata(data), tensor=NULL_TENSOR)
    return Summary(value=[value])


def describes(summary: Summary) -> bool:
    """Whether the summary is a `study_summary`."""
    return any(value.tag == EXPERIMENT_TAG for value in summary.value)


def has_started(summary: Summary) -> bool:
    """Whether the summary is a trial's row."""
    return any(value.tag == SESSION_START_INFO_TAG for value in summary.value)


def has_ended(summary: Summary) -> bool:
    """Whether the summary says how a trial ended."""
    return any(value.tag == SESSION_END_INFO_TAG for value in summary.value)
