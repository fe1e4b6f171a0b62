"""A finished search and a race over its best, untrained: values are a function of the seed."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from mmsearch.seeds import Seed
from mmsearch.selection.contest import Contest, Plan, Racing
from mmsearch.trial import Completed, Failed, Observation, Record, Trial, TrialState

EPOCHS = 10
TRUTHS = (0.60, 0.55, 0.54, 0.53, 0.58, 0.59, 0.57)
NOISE = 0.02
Ending = Callable[[Trial], TrialState]


def trial(
    number: int,
    config: dict[str, Any],
    seed: Seed,
    value: float | None,
    state: TrialState = Completed(),  # noqa: B008  it is frozen
) -> Trial:
    """One that was trained in full, or failed at the end of it."""
    seen = [] if value is None else [{"valid/mae": value}] * EPOCHS
    return Trial(
        number,
        config,
        config,
        seed,
        state,
        value,
        EPOCHS if seen else None,
        observations=tuple(Observation(epoch, one, 1.0) for epoch, one in enumerate(seen, 1)),
    )


def value(config: dict[str, Any], seed: Seed, noise: float = NOISE) -> float:
    """Of a configuration under a seed; the lower the better."""
    drawn = Random(f"{config['rate']} {seed}").gauss(0, noise)
    return TRUTHS[config["rate"]] + drawn


def search(*, noise: float = NOISE, truths: Sequence[float] = TRUTHS) -> Record:
    """A search whose trial 0 is the published configuration."""
    trials = [
        trial(n, {"rate": n}, Seed(7, n), value({"rate": n}, Seed(7, n), noise))
        for n in range(len(truths))
    ]
    return Record("toy", "valid/mae", "minimize", "", {}, tuple(trials))


def completed(_: Trial) -> TrialState:
    """Every replicate completes."""
    return Completed()


def race(
    found: Record,
    plan: Plan,
    *,
    before: Sequence[Trial] = (),
    noise: float = NOISE,
    ending: Ending = completed,
    most: int = 500,
) -> Contest:
    """Goes on with a race, one replicate after another, until nothing is wanted."""
    trials = list(before)
    proposer = Racing(found, plan)
    while len(trials) < most and (wanted := proposer.next(trials, 0)):
        config = dict(wanted.config)
        one = trial(len(trials), config, wanted.seed, value(config, wanted.seed, noise))
        state = ending(one)
        kept = None if isinstance(state, Failed) else one.value
        trials.append(trial(one.number, config, wanted.seed, kept, state))
    return Contest(found, tuple(trials), plan)
