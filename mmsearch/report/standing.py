"""How a study stands, in a few numbers and lines."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mmsearch.trial import Completed, Record, Scalar, Trial, TrialState

STATES = ("running", "paused", "completed", "stopped", "failed")
TOP = 5


@dataclass(frozen=True)
class Lead:
    """How much better the incumbent is than the published configuration: positive is better."""

    absolute: float
    """In the metric's units."""
    relative: float | None
    """As a fraction of the published configuration's value; None where that is zero."""


@dataclass(frozen=True)
class Summary:
    """What the command line says at the end, unformatted."""

    counts: Mapping[str, int]
    """Trials by state, all states in the order of `STATES`."""
    incumbent: Trial | None
    lead: Lead | None
    """None until both the incumbent and the published configuration have completed."""
    train_seconds: float
    """Over all trials, on their gangs."""
    top: tuple[Trial, ...]
    """The best completed trials, best first, at most `TOP`."""


def summary(record: Record) -> Summary:
    """How the study stands."""
    names = Counter(state_name(trial.state) for trial in record.trials)
    return Summary(
        counts={state: names[state] for state in STATES},
        incumbent=record.incumbent,
        lead=lead(record),
        train_seconds=sum(trial.train_seconds for trial in record.trials),
        top=record.ranking[:TOP],
    )


def lead(record: Record) -> Lead | None:
    """The incumbent's lead over the published configuration, both at full fidelity."""
    incumbent, published = record.incumbent, record.published
    if incumbent is None or published is None or not isinstance(published.state, Completed):
        return None
    if incumbent.value is None or published.value is None:
        return None
    sign = 1.0 if record.direction == "maximize" else -1.0
    absolute = sign * (incumbent.value - published.value)
    relative = absolute / abs(published.value) if published.value else None
    return Lead(absolute, relative)


def state_name(state: TrialState) -> str:
    """`running`, `paused`, `completed`, `stopped` or `failed`."""
    return type(state).__name__.lower()


def describe_trial(trial: Trial) -> str:
    """A trial's coordinates on one line, in the order of the space, four digits each."""
    return "  ".join(f"{name}={describe_value(value)}" for name, value in trial.coordinates.items())


def describe_value(value: Scalar) -> str:
    """A parameter's value in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
