"""A driver that is killed at any moment: every later decision is as if it had not been.

"Given the same order of observations" means here: of the live trials, the one that reports next is
the same one. After a kill the gangs are new, come up in any order, and repeat from checkpoints what
the record knows already; that is not in the order.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_ledger_storage import in_optuna, outcome
from toy_cluster import Sitting, World
from toy_kill import WRITTEN, assert_replays, decisions, in_a_hurry, watched
from toy_ledger import SPACE, STUDY, journal

from mmsearch.curves import Curves
from mmsearch.sampling import outlook, promotion, proposals, read
from mmsearch.space import Space
from mmsearch.study import Budget, Sampler, Scheduler, Study
from mmsearch.trial import Completed, Failed, Record, Stopped
from mmsearch.tune.files import Files

SAMPLERS = ("random", "tpe", "ladder")
SCHEDULERS = ("promotion", "halving", "none")


@pytest.fixture(autouse=True)
def models_of_few_trials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Samplers model what they see from the third trial on; few paused trials are kept."""
    monkeypatch.setattr(proposals, "ENOUGH", 3)
    monkeypatch.setattr(outlook, "ENOUGH", 3)
    monkeypatch.setattr(promotion, "RESTING", 2)
    with in_a_hurry():
        yield


def study(sampler: Any, scheduler: Any, trials: int) -> Study:
    """The ladder has a space without branches: in others it leaves proposing to TPE."""
    always = Space({name: SPACE.parameters[name] for name in ("rate", "width")})
    return replace(
        STUDY,
        space=always if sampler == "ladder" else SPACE,
        budget=Budget(trials, max_epochs=9),
        sampler=Sampler(sampler),
        scheduler=Scheduler(scheduler, first_rung=2, reduction=2),
    )


WORLDS = st.builds(
    World,
    seed=st.integers(0, 2**32),
    study=st.builds(study, st.sampled_from(SAMPLERS), st.sampled_from(SCHEDULERS), st.just(7)),
    gangs=st.integers(2, 4),
    only_rungs=st.booleans(),
)


def what_was_decided(folder: Path, world: World) -> dict[str, Any]:
    """All that a kill must leave as it is."""
    record = read(journal(folder))
    found = {
        "decisions": decisions(folder, only_rungs=world.only_rungs),
        "optuna": in_optuna(folder),
    }
    if not world.only_rungs:
        # When a gang has saved what was paused is luck; nothing is decided by it.
        saved_by_luck = {"checkpoint": None} if world.study.scheduler.kind == "promotion" else {}
        found["trials"] = [replace(trial, **saved_by_luck) for trial in outcome(record)]
        found["seen"] = [trial.seen for trial in record.trials]
    assert_whole(record, folder)
    return found


def assert_whole(record: Record, folder: Path) -> None:
    """Every trial has its ending and its epochs once; the checkpoints that are wanted are there."""
    for trial in record.trials:
        assert isinstance(trial.state, Completed | Stopped | Failed)
        assert [o.epoch for o in trial.observations] == [*range(1, trial.epoch + 1)]
        starts = [segment.start_epoch for segment in trial.segments]
        assert starts == sorted(starts)
    wanted = {t.number: t.checkpoint for t in (record.published, record.incumbent) if t}
    kept = {path.relative_to(folder).as_posix() for path in folder.glob("checkpoints/*/*")}
    assert kept == {checkpoint.uri for checkpoint in wanted.values() if checkpoint}


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    world=WORLDS,
    kills=st.lists(
        st.tuples(st.floats(0, 0.999), st.sampled_from(WRITTEN)), min_size=4, max_size=4
    ),
)
@example(
    # A rung of a trial that goes on is what makes another worth taking up.
    world=World(seed=200, study=study("random", "promotion", 7), gangs=4),
    kills=[(0.39776746247252, 1.0)] * 4,
)
def test_killed_and_killed_again_a_search_decides_as_if_it_had_not_been(
    world: World, kills: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("study")
    with watched(folder) as moments:
        Sitting(world, folder).run()
    undisturbed = what_was_decided(folder, world)
    assert_replays(folder, world.study, gangs=world.gangs)
    for number, (share, written) in enumerate(kills, start=1):
        moments[int(share * len(moments))].leave(folder, written=written)
        with watched(folder) as moments_of_resume:
            Sitting(world, folder, number=2 * number).run()
        assert what_was_decided(folder, world) == undisturbed
        if not moments_of_resume:
            continue
        moments_of_resume[int(share * len(moments_of_resume))].leave(folder, written=written)
        Sitting(world, folder, number=2 * number + 1).run()
        assert what_was_decided(folder, world) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_killed_at_any_write_a_search_decides_as_if_it_had_not_been(
    sampler: str, scheduler: str, tmp_path: Path
) -> None:
    world = World(seed=13, study=study(sampler, scheduler, 8))
    with watched(tmp_path) as moments:
        Sitting(world, tmp_path).run()
    undisturbed = what_was_decided(tmp_path, world)
    states = [trial.state for trial in read(journal(tmp_path)).trials]
    assert {state.reason for state in states if isinstance(state, Failed)} == {"nan", "lost"}
    assert any(isinstance(state, Stopped) for state in states) == (scheduler != "none")
    kills = [(moment, written) for moment in moments for written in WRITTEN]
    assert len(kills) >= 200
    for number, (moment, written) in enumerate(kills, start=1):
        moment.leave(tmp_path, written=written)
        Sitting(world, tmp_path, number=number).run()
        assert what_was_decided(tmp_path, world) == undisturbed, f"killed at {moment.line}"


@pytest.mark.parametrize("seed", [2, 3])
def test_curves_and_tables_of_a_killed_search_are_those_of_an_undisturbed_one(
    seed: int, tmp_path: Path
) -> None:
    world = World(seed, study("random", "halving", 6))
    with watched(tmp_path) as moments:
        drawn(world, tmp_path, sitting=0)
    undisturbed = tables(tmp_path)
    assert undisturbed["trials.csv"].count("\n") == 7
    for number, moment in enumerate(moments[::12], start=1):
        moment.leave(tmp_path, written=WRITTEN[number % 3])
        drawn(world, tmp_path, sitting=number)
        assert tables(tmp_path) == undisturbed
        for trial in read(journal(tmp_path)).trials:
            run = tmp_path / "tensorboard" / f"trial-{trial.number:04d}"
            expected = [
                (o.epoch, pytest.approx(o.metrics["valid/mae"])) for o in trial.observations
            ]
            assert curve(run, "valid/mae") == expected
            epochs = [epoch for epoch, _ in curve(run, "train/loss")]
            assert epochs == sorted(set(epochs))


def drawn(world: World, folder: Path, *, sitting: int) -> None:
    """A sitting with curves and tables, as `tune` has it."""
    curves = Curves(folder / "tensorboard", world.study, metrics=["valid/mae", "valid/corr"])
    driver = Sitting(world, folder, number=sitting, listeners=[curves])
    curves.catch_up(driver.ledger.record())
    driver.run()
    Files(folder, world.study, driver.ledger.record).write()


def tables(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in ("trials.csv", "best.toml")}


def curve(run: Path, tag: str) -> list[tuple[int, float]]:
    """As TensorBoard's own reader has it; none for a trial that failed before its first epoch."""
    reader = EventAccumulator(str(run))
    reader.Reload()
    return (
        [(e.step, e.value) for e in reader.Scalars(tag)] if tag in reader.Tags()["scalars"] else []
    )
