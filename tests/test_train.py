"""A card is trained again: the same curve under the same conditions, and else an honest word."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch

from mmsearch import datasets, methods, provenance
from mmsearch import study as studies
from mmsearch.errors import StudyError
from mmsearch.report import write_best_toml
from mmsearch.seeds import Seed
from mmsearch.train import card as cards
from mmsearch.train.conditions import compare
from mmsearch.training import train
from mmsearch.trial import Completed, Observation, Record, Trial, Verdict

FILE = """
method = "baseline"
dataset = "mosei922"
[objective]
metric = "valid/mae"
direction = "minimize"
[budget]
trials = 2
max_epochs = 3
[scheduler]
kind = "none"
[published]
batch_size = 64
[space]
learning_rate = { log_uniform = [1e-5, 1e-1] }
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card of one trial that `training.train` has trained: what a search would have written."""
    torch.set_num_threads(1)
    study = studies.loads(FILE, place="small.toml", schema_of=methods.schema_of)
    data = datasets.load("mosei922")
    seen: list[Observation] = []

    def report(observation: Observation) -> Verdict:
        seen.append(observation)
        return Verdict.CONTINUE

    train(study, study.published, seed=Seed(0, 0), data=data, report=report)
    value, epoch = study.objective.at(tuple(seen), 3) or (0.0, 0)
    trial = Trial(
        0,
        study.published,
        study.coordinates(study.published),
        Seed(0, 0),
        Completed(),
        value,
        epoch,
        observations=tuple(seen),
    )
    facts = {**provenance.collect(data.fingerprint), "threads": 1}
    record = Record("small", "valid/mae", "minimize", study.text, facts, (trial,))
    path = tmp_path_factory.mktemp("study") / "best.toml"
    write_best_toml(record, study, path)
    return path


def again(card: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmsearch.train", str(card), "--out", str(folder)]
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, timeout=250
    )


def changed(card: Path, folder: Path, change: Any) -> Path:
    document = tomllib.loads(card.read_text(encoding="utf-8"))
    change(document)
    path = folder / "changed.toml"
    path.write_text(tomli_w.dumps(document), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_card_is_trained_again_bit_for_bit_and_its_export_predicts_the_same(
    card: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    done = again(card, tmp_path, "--export", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the curve is the recorded one, bit for bit, over 3 epochs" in done.stdout
    data = datasets.load("mosei922")
    rows = tmp_path / "rows.npz"
    np.savez(rows, **{name: value.numpy() for name, value in data.valid.inputs.items()})
    told = subprocess.run(
        [sys.executable, str(folder / "load.py"), str(rows)],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    predicted = np.array([float(line) for line in told.stdout.split()])
    target = data.task.transform.decode(data.valid.target).numpy()
    recorded = tomllib.loads(card.read_text())["validation"]["metrics"]["mae"]
    assert np.abs(predicted - target).mean() == pytest.approx(recorded, rel=1e-6)
    front = (folder / "README.md").read_text().split("---")[1].strip().splitlines()
    keys = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in front}
    assert keys["model-index"][0]["results"][0]["dataset"]["split"] == "valid"


@pytest.mark.slow
def test_a_curve_that_is_another_is_told_with_its_epoch_and_both_values(
    card: Path, tmp_path: Path
) -> None:
    def nudge(document: dict[str, Any]) -> None:
        document["validation"]["curve"][1] += 1e-7

    done = again(changed(card, tmp_path, nudge), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"does not agree: at epoch 2 valid/mae was [\d.]+ on record and is [\d.]+ here", done.stdout
    )


def test_other_data_is_refused(card: Path, tmp_path: Path) -> None:
    def swap(document: dict[str, Any]) -> None:
        document["provenance"]["fingerprints"]["data"] = "0" * 64

    done = again(changed(card, tmp_path, swap), tmp_path)
    assert done.returncode == 2
    assert "mosei922 is not the data that the card was made from" in done.stderr


def _typo(document: dict[str, Any]) -> None:
    document["published"]["batch_sise"] = 3


def _no_curve(document: dict[str, Any]) -> None:
    del document["validation"]["curve"]


def _no_study(document: dict[str, Any]) -> None:
    del document["study"]


def _late(document: dict[str, Any]) -> None:
    document["validation"]["epoch"] = 9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(_typo, r"\[published\] batch_sise: .*Did you mean 'batch_size'", id="typo"),
        pytest.param(_no_curve, r"\[validation\] curve: is missing", id="no curve"),
        pytest.param(_no_study, r"is no card: it has no \[study\]", id="no study"),
        pytest.param(_late, r"epoch: the curve has 3 epochs, got 9", id="late epoch"),
    ],
)
def test_a_card_that_was_edited_wrongly_is_answered(
    card: Path, tmp_path: Path, change: Any, words: str
) -> None:
    with pytest.raises(StudyError, match=words):
        cards.read(changed(card, tmp_path, change), overrides={})


@pytest.mark.parametrize(
    ("found", "tolerance", "agrees", "first"),
    [
        pytest.param([1.0, 2.0], 0.0, True, None, id="equal"),
        pytest.param([1.0, 2.1], 0.0, False, 2, id="not equal"),
        pytest.param([1.0, 2.1], 0.06, True, None, id="near enough"),
        pytest.param([1.2, 2.1], 0.06, False, 1, id="too far"),
        pytest.param([1.0], 0.0, False, 2, id="too short"),
    ],
)
def test_curves_are_compared_epoch_by_epoch(
    found: list[float], tolerance: float, agrees: bool, first: int | None
) -> None:
    compared = compare([1.0, 2.0], found, tolerance=tolerance)
    assert (compared.agrees, compared.first) == (agrees, first)


def test_training_a_card_needs_no_ray() -> None:
    code = "import sys, mmsearch.train.options, mmsearch.train.session; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
