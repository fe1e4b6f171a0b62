"""`python -m mmsearch.ablate`: parts of a method, spaces around its choice, rows that are tuned."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_best import real

from mmsearch import methods, sampling
from mmsearch import study as studies
from mmsearch.ablate.asking import Request, answer
from mmsearch.ablate.parts import Part
from mmsearch.ablate.variants import study_text, variants
from mmsearch.errors import MmsearchError
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
from mmsearch.space.narrowing import middle, narrowed
from mmsearch.study import Study
from mmsearch.study.files import journal_of

PARTS = tuple(Part)

STUDY = """
method  = "baseline"
dataset = "mfeat"

[objective]
metric    = "valid/accuracy"
direction = "maximize"

[budget]
trials     = 4
max_epochs = 2

[scheduler]
kind = "none"

[published]
encoder = { kind = "mean" }
unimodal_weight = 0.1
fusion  = { kind = "concat" }

[space]
learning_rate   = { log_uniform = [1e-4, 1e-2] }
unimodal_weight = { zero_or_log_uniform = [1e-2, 1.0] }

[space.fusion]
concat = {}
sum    = { features = { choice = [8, 16] } }
"""


def load(name: str) -> Study:
    return studies.load(studies.find(name), schema_of=methods.schema_of)


@pytest.mark.parametrize(
    ("parameter", "value", "left"),
    [
        pytest.param(LogUniform(1e-4, 1.0), 1e-2, LogUniform(1e-2 / 3, 3e-2), id="log"),
        pytest.param(LogUniform(1e-4, 1.0), 2e-4, LogUniform(1e-4, 6e-4), id="log, at its end"),
        pytest.param(Uniform(0.0, 0.8), 0.3, Uniform(0.1, 0.5), id="even"),
        pytest.param(IntUniform(1, 9), 4, IntUniform(2, 6), id="integers"),
        pytest.param(IntLogUniform(2, 16), 4, IntLogUniform(2, 12), id="integers, log"),
        pytest.param(Choice((1, 2)), 2, Choice((1, 2)), id="choice"),
        pytest.param(Choice((2,)), 2, None, id="one choice"),
        pytest.param(ZeroOrLogUniform(1e-3, 1.0), 0.0, None, id="off"),
        pytest.param(ZeroOrLogUniform(1e-2, 1.0), 0.6, LogUniform(0.2, 1.0), id="on"),
    ],
)
def test_a_space_is_narrowed_around_a_value(parameter, value, left):
    found = narrowed(Space({"x": parameter}), {"x": value}).parameters
    if left is None:
        assert found == {}
        return
    assert type(found["x"]) is type(left)
    assert found["x"].contains(value)
    if not isinstance(left, Choice):
        assert (found["x"].low, found["x"].high) == pytest.approx((left.low, left.high))


def test_of_a_branch_the_living_arm_is_left():
    arms = {"a": Space({"n": Choice((1, 2))}), "b": Space({})}
    found = narrowed(Space({"x": Branch(arms)}), {"x": {"kind": "a", "n": 2}})
    assert found.parameters["x"] == Branch({"a": arms["a"]}, {"a": {}})


@pytest.mark.parametrize(
    ("primitive", "value"),
    [
        (LogUniform(1e-4, 1e-2), 1e-3),
        (IntLogUniform(2, 8), 4),
        (Uniform(0.0, 1.0), 0.5),
        (IntUniform(1, 3), 2),
        (Choice(("a", "b")), "a"),
    ],
)
def test_the_middle_is_that_of_the_scale(primitive, value):
    assert middle(primitive) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param(
            "selfmi",
            {
                "full",
                "no_unimodal_weight",
                "no_cpc_weight",
                "no_pair_weight",
                "ulg_off",
                "momentum_off",
                *(
                    f"fusion_{arm}"
                    for arm in ("sum", "gated", "tensor", "low_rank", "cross_attention")
                ),
                "fusion_multiplicative",
            },
            id="selfmi",
        ),
        pytest.param(
            "mim",
            {"full", "no_penalty_weight", "no_mask_weight", "no_intra_weight", "no_inter_weight"},
            id="mim, whose unmasked term cannot be off",
        ),
        pytest.param("m3col", {"full", "no_unimodal_weight", "no_contrast_weight"}, id="m3col"),
    ],
)
def test_every_term_switch_and_arm_of_a_method_is_taken_away_in_turn(name, labels):
    study = load(name)
    schema = methods.schema_of(study.method)
    found = variants(study, study.published, schema, PARTS)
    own = {one.label for one in found if not one.label.startswith("fusion_")}
    assert own == {label for label in labels if not label.startswith("fusion_")}
    branches = [one for one in study.space.parameters.values() if isinstance(one, Branch)]
    arms = sum(len(one.arms) - 1 for one in branches)
    assert len(found) == len(own) + arms
    if name == "selfmi":
        assert {one.label for one in found} == labels


@pytest.mark.parametrize("name", studies.known())
def test_every_row_of_every_shipped_study_is_a_study(name):
    study = load(name)
    schema = methods.schema_of(study.method)
    for one in variants(study, study.published, schema, PARTS):
        text = study_text(study.text, one, 8)
        row = studies.loads(text, place=f"{one.label}.toml", schema_of=methods.schema_of)
        assert row.budget.trials == 8
        assert row.budget.max_epochs == study.budget.max_epochs
        assert row.scheduler == study.scheduler
        assert row.published == dict(one.config)
        if one.label.startswith("no_"):
            weight = one.label.removeprefix("no_")
            assert row.published[weight] == 0.0
            assert weight not in row.space.parameters


def test_what_is_off_already_is_no_row():
    study = load("selfmi")
    config = {**study.published, "cpc_weight": 0.0, "ulg": "off"}
    found = variants(study, config, methods.schema_of("selfmi"), ("terms", "switches"))
    assert {one.label for one in found} == {
        "full",
        "no_unimodal_weight",
        "no_pair_weight",
        "momentum_off",
    }


def request(folder: Path, **more) -> Request:
    given = {
        "study": "toy",
        "parts": PARTS,
        "trials": 2,
        "seeds": 2,
        "candidates": 1,
        "machines": {},
        "out": folder / "studies",
        "name": "ablate",
        "address": None,
        "open_test": False,
    }
    return Request(**{**given, **more})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"trials": 0}, "--trials: must be at least 1, got 0", id="trials"),
        pytest.param({"study": "absent"}, "STUDY: no searched study here", id="no study"),
        pytest.param({}, "not been raced over fresh seeds. First run", id="not raced"),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path, more, words):
    real(tmp_path / "studies" / "toy")
    with pytest.raises(MmsearchError, match=words):
        answer(request(tmp_path, **more))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments, "--concurrent", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_rows_are_tuned_around_the_choice_under_its_seeds_and_not_twice(tmp_path):
    (tmp_path / "toy.toml").write_text(STUDY)
    searched = run(tmp_path, "mmsearch.tune", "toy.toml")
    assert searched.returncode == 0, searched.stdout + searched.stderr
    early = run(tmp_path, "mmsearch.ablate", "toy")
    assert early.returncode == 2
    assert "First run `python -m mmsearch.best" in early.stderr
    raced = run(tmp_path, "mmsearch.best", "toy", "--budget", "8", "--seeds-at-least", "2")
    assert raced.returncode == 0, raced.stdout + raced.stderr
    options = ("--trials", "2", "--seeds", "2", "--candidates", "1", "--only", "branches")
    done = run(tmp_path, "mmsearch.ablate", "toy", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What each part of toy is worth: mfeat, valid." in done.stdout
    folder = tmp_path / "studies" / "toy" / "ablate"
    rows = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    assert len(rows) == 2
    assert "full" in rows
    for row in rows:
        race = sampling.read(journal_of(folder / row / "best"))
        seeds = {trial.seed for trial in race.trials}
        assert {(seed.study, seed.trial) for seed in seeds} == {(0, 0)}
        assert {1, 2} <= {seed.replicate for seed in seeds}
    before = {path: path.read_bytes() for path in folder.rglob("study.journal")}
    again = run(tmp_path, "mmsearch.ablate", "toy", *options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path: path.read_bytes() for path in folder.rglob("study.journal")} == before
    table = done.stdout[done.stdout.index("What each part of toy is worth:") :]
    assert again.stdout.endswith(table)
