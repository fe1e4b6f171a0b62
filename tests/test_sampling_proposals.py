"""What is proposed: deterministic, inside the space, never twice, and from the right fidelity."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from optuna.trial import TrialState
from toy_ledger import RATES, STUDY

from mmsearch.sampling import proposals
from mmsearch.sampling.proposals import DRAWS, ENOUGH, modelled, propose
from mmsearch.seeds import Seed
from mmsearch.space import Branch, Choice, IntUniform, Space, Uniform
from mmsearch.study import Sampler, Study
from mmsearch.trial import Completed, Failed, Running, Stopped, Trial
from mmsearch.trial import TrialState as State

TPE = replace(STUDY, sampler=Sampler("tpe"))


def trial(study: Study, number: int, config: dict, state: State, **known: object) -> Trial:
    coordinates = study.coordinates(config)
    return Trial(number, config, coordinates, Seed(0, number), state=state, **known)


def history(study: Study, objective: Callable[[dict], float], length: int) -> list[Trial]:
    """So many completed trials of random configurations."""
    trials: list[Trial] = []
    for number in range(length):
        config = propose(replace(study, sampler=Sampler("random")), trials)
        trials.append(trial(study, number, config, Completed(), value=objective(config)))
    return trials


def rates(*values: float, state: State | None = None, **known: object) -> list[Trial]:
    """Trials at these rates; their value is the rate, unless said otherwise."""
    return [
        trial(RATES, number, {"rate": rate}, state or Completed(), **{"value": rate, **known})
        for number, rate in enumerate(values)
    ]


def sampled(study: Study, trials: list[Trial], times: int = 20) -> np.ndarray:
    """Rates proposed under so many study seeds."""
    return np.array([propose(replace(study, seed=s), trials)["rate"] for s in range(times)])


@pytest.mark.parametrize("study", [STUDY, TPE], ids=["random", "tpe"])
def test_a_proposal_depends_on_nothing_but_the_record_and_the_seed(study: Study) -> None:
    trials = history(study, lambda config: config["rate"], 15)
    assert propose(study, trials) == propose(study, trials)
    assert propose(study, trials) != propose(replace(study, seed=8), trials)


@pytest.mark.parametrize("length", [5, 30], ids=["too few to model", "modelled"])
def test_every_proposal_lies_inside_the_space(length: int) -> None:
    trials = history(TPE, lambda config: config["rate"], length)
    for seed in range(20):
        config = propose(replace(TPE, seed=seed), trials)
        assert TPE.space.misfits(config, place="") == ()
        assert config["clip"] is None


def test_tpe_draws_at_random_until_a_fidelity_has_enough_trials() -> None:
    trials = history(TPE, lambda config: config["rate"], ENOUGH - 1)
    assert propose(TPE, trials) == propose(STUDY, trials)


def test_tpe_finds_better_configurations_than_random_draws() -> None:
    def distance(config: dict) -> float:
        arm = config["fusion"]
        rank = abs(arm["rank"] - 8) / 8 if arm["kind"] == "low_rank" else 2.0
        return abs(np.log10(config["rate"]) + 2) + rank + config["weight"]

    def mean_best(kind: str) -> float:
        best = []
        for seed in range(4):
            study = replace(STUDY, seed=seed, sampler=Sampler(kind))
            trials: list[Trial] = []
            for number in range(40):
                config = propose(study, trials)
                trials.append(trial(study, number, config, Completed(), value=distance(config)))
            best.append(min(t.value for t in trials))
        return np.mean(best)

    assert mean_best("tpe") < 0.8 * mean_best("random")


def test_the_ladder_leaves_a_space_with_branches_to_tpe() -> None:
    trials = history(TPE, lambda config: config["rate"], 30)
    assert propose(replace(TPE, sampler=Sampler("ladder")), trials) == propose(TPE, trials)


@pytest.mark.parametrize("kind", ["ladder", "gp"])
def test_a_process_finds_a_smooth_optimum(kind: str) -> None:
    study = replace(RATES, sampler=Sampler(kind))
    trials = [
        replace(t, value=(t.config["rate"] - 0.4) ** 2) for t in rates(*np.linspace(0.02, 0.98, 12))
    ]
    assert abs(propose(study, trials)["rate"] - 0.4) < 0.1


def test_maximising_turns_the_search_round() -> None:
    trials = rates(*np.linspace(0.02, 0.98, 20))
    up = replace(RATES, objective=replace(RATES.objective, direction="maximize"))
    assert sampled(RATES, trials).mean() < 0.4
    assert sampled(up, trials).mean() > 0.6


def test_the_highest_fidelity_with_enough_trials_is_modelled() -> None:
    many = rates(*np.linspace(0, 1, ENOUGH), state=Stopped(4), rungs={2: 0.1, 4: 0.2})
    few = rates(0.5, state=Completed(), rungs={2: 0.3, 4: 0.4, 8: 0.5})
    trials = [replace(t, number=n) for n, t in enumerate([*many, *few])]
    assert modelled(RATES, trials) == dict.fromkeys(range(ENOUGH), 0.2) | {ENOUGH: 0.4}


def test_a_running_trial_counts_at_the_rungs_it_has_reached() -> None:
    trials = rates(*np.linspace(0, 1, ENOUGH), state=Running(), rungs={2: 0.1})
    assert modelled(RATES, trials) == dict.fromkeys(range(ENOUGH), 0.1)


def test_first_survivors_are_not_leant_on() -> None:
    """Most trials say that low is good at the first rung; two that got to the top lie high."""
    stopped = [0.01 * n for n in range(20)]
    trials = [
        trial(RATES, n, {"rate": rate}, Stopped(2), value=rate, rungs={2: rate})
        for n, rate in enumerate(stopped)
    ]
    spread = np.linspace(0.3, 1.0, 20)
    trials += [
        trial(RATES, 20 + n, {"rate": rate}, Stopped(2), value=rate, rungs={2: rate})
        for n, rate in enumerate(spread)
    ]
    survivors = {2: 0.9, 4: 0.5, 8: 0.1}
    trials += [
        trial(RATES, 40 + n, {"rate": rate}, Completed(), value=0.1, rungs=survivors)
        for n, rate in enumerate([0.9, 0.95])
    ]
    assert np.median(sampled(RATES, trials)) < 0.4


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_failures_are_bad_wherever_they_lie(direction: str) -> None:
    study = replace(RATES, objective=replace(RATES.objective, direction=direction))
    good = 0.2 if direction == "minimize" else 0.8
    sound = [
        replace(t, value=good if t.config["rate"] < 0.5 else 0.5)
        for t in rates(*np.linspace(0.02, 0.98, 14))
    ]
    failed = [
        trial(study, 14 + n, {"rate": rate}, Failed(reason, ""), value=good, rungs={2: good})
        for n, (rate, reason) in enumerate(
            zip(np.linspace(0.0, 0.25, 12), ["nan", "oom", "error"] * 4, strict=True)
        )
    ]
    without, with_failures = sampled(study, sound), sampled(study, [*sound, *failed])
    assert (with_failures < 0.25).sum() < (without < 0.25).sum()


def told(study: Study, trials: list[Trial]) -> list[tuple[TrialState, float | None]]:
    return [
        (told.state, told.value if told.state is TrialState.COMPLETE else None)
        for told in proposals._throwaway(study, trials, 0).trials
    ]


def test_each_trial_is_told_as_what_it_is_at_the_modelled_fidelity() -> None:
    sound = rates(*np.linspace(0, 1, ENOUGH), state=Stopped(4), rungs={2: 0.1, 4: 0.2})
    others = [
        (Stopped(2), {2: 0.1}),
        (Failed("lost", ""), {2: 0.1, 4: 0.1}),
        (Failed("nan", ""), {2: 0.1, 4: 0.1}),
        (Failed("hang", ""), {2: 0.1, 4: 0.1}),
        (Running(), {2: 0.1}),
        (Running(), {2: 0.1, 4: 0.3}),
    ]
    trials = sound + [
        trial(RATES, ENOUGH + n, {"rate": 0.5}, state, value=0.1, rungs=rungs)
        for n, (state, rungs) in enumerate(others)
    ]
    assert told(RATES, trials)[ENOUGH:] == [
        (TrialState.COMPLETE, float("inf")),
        (TrialState.COMPLETE, float("inf")),
        (TrialState.RUNNING, None),
        (TrialState.COMPLETE, 0.3),
    ]


def test_proposals_made_in_parallel_keep_away_from_each_other() -> None:
    trials = rates(*np.linspace(0.02, 0.98, 20))
    apart = []
    for seed in range(10):
        study, running = replace(RATES, seed=seed), list(trials)
        for _ in range(4):
            config = propose(study, running)
            running.append(trial(study, len(running), config, Running()))
        proposed = sorted(t.config["rate"] for t in running[20:])
        apart.append(min(np.diff(proposed)))
    assert min(apart) > 0


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_configuration_on_record_is_not_proposed_again_while_there_are_others(kind: str) -> None:
    space = Space({"a": Choice((1, 2, 3, 4)), "b": IntUniform(1, 5)})
    study = replace(STUDY, space=space, published={"a": 1, "b": 1}, sampler=Sampler(kind), seed=3)
    trials: list[Trial] = []
    for number in range(16):
        config = propose(study, trials)
        trials.append(trial(study, number, config, Completed(), value=config["a"] + config["b"]))
    assert len({tuple(t.coordinates.items()) for t in trials}) >= 15


def test_a_space_that_is_used_up_is_proposed_from_again() -> None:
    study = replace(STUDY, space=Space({"a": Choice((1, 2))}), published={"a": 1})
    trials = [trial(study, n, {"a": a}, Running()) for n, a in enumerate((1, 2))]
    assert propose(study, trials)["a"] in {1, 2}


def test_a_redrawn_configuration_is_drawn_a_bounded_number_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = replace(STUDY, space=Space({"a": Choice((1,))}), published={"a": 1})
    asked = []
    original = proposals._asker
    monkeypatch.setattr(proposals, "_asker", lambda a: asked.append(a) or original(a))
    propose(study, [trial(study, 0, {"a": 1}, Running())])
    assert len(asked) == DRAWS


def test_a_branch_in_a_branch_is_proposed_whole() -> None:
    inner = Space({"inner": Branch({"x": Space({"deep": Uniform(0, 1)}), "y": Space({})})})
    space = Space({"outer": Branch({"a": inner, "b": Space({})})})
    study = replace(STUDY, space=space, published={"outer": {"kind": "b"}}, sampler=Sampler("tpe"))
    trials = history(study, lambda config: len(str(config)), 30)
    for seed in range(20):
        assert space.misfits(propose(replace(study, seed=seed), trials), place="") == ()
