"""What `tune` says, and how it reads deadlines."""

import io
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from mmsearch.cluster.quiet import engines_hushed
from mmsearch.errors import StudyError
from mmsearch.sampling import shown
from mmsearch.seeds import Seed
from mmsearch.space import Space
from mmsearch.study import Budget, Objective, Study
from mmsearch.trial import Completed, Observation, Record, Running, Stopped, Trial
from mmsearch.tune.options import hours_until
from mmsearch.tune.talk import closing, standing
from mmsearch.tune.view import View, clock

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STUDY = Study(
    name="toy",
    method="selfmi",
    dataset="toy",
    seed=0,
    objective=Objective("valid/mae", "minimize"),
    budget=Budget(trials=3, max_epochs=4),
    space=Space({}),
    published={},
    text="",
)


def trial(number: int, value: float, state: object) -> Trial:
    seen = (Observation(1, {"valid/mae": value}, 30.0),)
    return Trial(number, {}, {"rate": 0.1}, Seed(0, number), state, value, 1, {}, seen)


def record(*trials: Trial) -> Record:
    return Record("toy", "valid/mae", "minimize", "", {}, trials)


FOUND = record(trial(0, 0.5, Completed()), trial(1, 0.4, Completed()), trial(2, 0.9, Stopped(1)))


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("90m", 1.5),
        ("2h", 2.0),
        ("1d", 24.0),
        ("36s", 0.01),
        ("2026-11-21T15:00", 3.0),
        ("2026-11-21T15:00+02:00", 1.0),
    ],
)
def test_a_deadline_is_a_duration_or_a_time(text, hours):
    assert hours_until(text, now=NOW) == pytest.approx(hours)


@pytest.mark.parametrize("text", ["", "soon", "-1h", "0m", "nanh", "2026-11-20T12:00"])
def test_a_deadline_that_is_none_or_past_is_refused(text):
    with pytest.raises(StudyError, match=r"--deadline: expected a duration .* Write 90m"):
        hours_until(text, now=NOW)


def test_the_end_says_what_was_found_where_it_lies_and_what_to_run_next(tmp_path):
    storage = shown(f"journal://{tmp_path}/study.journal")
    lines = closing(FOUND, STUDY, folder=tmp_path, storage=storage, reason=None)
    said = "\n".join(lines)
    assert "toy: 2 completed, 1 stopped of 3; 1:30 of training" in said
    assert "incumbent 0.4000 (trial 1), 20.0% better than the published configuration" in said
    assert f"tensorboard --logdir {tmp_path}/tensorboard" in said
    assert f"optuna-dashboard {tmp_path}/study.journal" in said
    assert "one seed's winner" in said


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (3, "3 of 3 trials have their ending: the study is finished"),
        (5, "3 of 5 trials have their ending, 1 run: going on"),
    ],
)
def test_a_study_on_record_says_how_it_stands(trials, words):
    running = [trial(3, 0.5, Running())] if trials > 3 else []
    study = replace(STUDY, budget=Budget(trials, max_epochs=4))
    assert standing(record(*FOUND.trials, *running), study) == f"  on record   {words}"


def test_an_early_end_says_why_and_how_to_go_on(tmp_path):
    unfinished = record(trial(0, 0.5, Running()))
    lines = closing(
        unfinished, STUDY, folder=tmp_path, storage="sqlite:///x", reason="the deadline is reached"
    )
    assert "  ended early: the deadline is reached. Go on with the same command" in lines
    assert "  no trial has completed yet, so there is no incumbent" in lines


def test_the_end_says_what_could_not_be_written(tmp_path):
    told = ("curves cannot be written (No space left on device); the search goes on without",)
    where = {"folder": tmp_path, "storage": "sqlite:///x", "reason": None}
    assert f"  {told[0]}" in closing(FOUND, STUDY, troubles=told, **where)
    assert not [line for line in closing(FOUND, STUDY, **where) if "cannot be written" in line]


def test_off_a_terminal_an_ending_is_one_plain_line():
    out = io.StringIO()
    known = [record(*FOUND.trials[:2], replace(FOUND.trials[2], state=Running()))]
    with View(Console(file=out), STUDY, lambda: known[-1]) as view:
        known.append(FOUND)
        view.began(FOUND.trials[2])
        view.observed(FOUND.trials[2], FOUND.trials[2].observations)
        view.ended(FOUND.trials[2])
    assert out.getvalue().startswith(
        "3/3  trial 2 stopped after epoch 1  valid/mae 0.9000  incumbent"
    )
    assert out.getvalue().count("\n") == 1


def test_a_terminal_shows_what_runs_and_the_incumbent():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    running = trial(3, 0.45, Running())
    with View(console, STUDY, lambda: FOUND) as view:
        view.observed(running, running.observations)
    assert "1 running" in out.getvalue()
    assert "trial 3" in out.getvalue()
    assert "20.0% better than the published configuration" in out.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (245, "4:05"), (3845, "1:04:05")])
def test_times_are_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text


def test_what_engines_print_goes_to_the_log_and_the_terminal_stays_ours(tmp_path: Path, capfd):
    log = tmp_path / "logs" / "driver.log"
    with engines_hushed() as quiet:
        os.write(1, b"chatter\n")
        assert not log.exists()
        assert quiet.log_to(log) is None
        os.write(2, b"warning\n")
        print("more chatter")
        quiet.terminal.write("ours\n")
    os.write(1, b"after\n")
    assert log.read_text() == "chatter\nwarning\nmore chatter\n"
    assert capfd.readouterr().out == "ours\nafter\n"
