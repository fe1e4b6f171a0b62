"""Attempts to see the test split while searching: each is caught, with words that say so."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_arrays

from mmsearch import datasets, methods, training
from mmsearch import study as studies
from mmsearch.datasets import held_out, sealing
from mmsearch.errors import MmsearchError, SelectionError, StudyError
from mmsearch.selection.opening import _require_apart

ROOT = Path(__file__).resolve().parent.parent
STUDY = (ROOT / "search_spaces" / "baseline_mfeat.toml").read_text()
EXAMPLE = (ROOT / "tests" / "own_method_example.py").read_text()
SEALED = r"gives the test split: it is sealed|is a dataset's file, which may hold the test split"


def checked(text: str, overrides: dict | None = None) -> None:
    """All that a search checks before it trains."""
    study = studies.loads(
        text, place="study.toml", schema_of=methods.schema_of, overrides=overrides
    )
    config = methods.complete(study.method, study.published)
    training.check(study, config)
    data = datasets.load(study.dataset, folder=study.data)
    training.check(study, config, task=data.task)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param({"objective.metric": "test/accuracy"}, "out of reach", id="metric of test"),
        pytest.param({"objective.metric": "TEST/accuracy"}, "must be valid/", id="in capitals"),
        pytest.param({"objective.metric": " test/accuracy"}, "must be valid/", id="behind a space"),
        pytest.param({"objective.metric": "held_out/accuracy"}, "must be valid/", id="held out"),
        pytest.param(
            {"objective.metric": "valid/../test/accuracy"}, "accuracy", id="path in a metric"
        ),
        pytest.param({"objective.metric": "valid/test/accuracy"}, "accuracy", id="below valid"),
        pytest.param({"objective.metric": "train/loss"}, "must be valid/", id="metric of train"),
        pytest.param(
            {"objective.others": {"test/f1_macro": "maximize"}}, "out of reach", id="beside it"
        ),
        pytest.param({"objective.split": "test"}, "split", id="split of the objective"),
        pytest.param({"test": "mfeat"}, "test", id="key of the study"),
        pytest.param({"budget.evaluate_on_test": True}, "evaluate_on_test", id="key of a table"),
        pytest.param({"dataset": "held_out"}, "no dataset is called", id="dataset held_out"),
        pytest.param({"dataset": "mfeat/test"}, "no dataset is called", id="path in a dataset"),
        pytest.param({"dataset": "inspection"}, "no dataset is called", id="dataset inspection"),
        pytest.param(
            {"published.early_stopping": "test/accuracy"}, "early_stopping", id="early stopping"
        ),
        pytest.param(
            {"published.lr_schedule": {"kind": "plateau", "watch": "test/loss"}},
            "lr_schedule",
            id="schedule that watches test",
        ),
        pytest.param({"scheduler.metric": "test/accuracy"}, "metric", id="scheduler's metric"),
    ],
)
def test_a_study_cannot_ask_for_test(overrides, words):
    with pytest.raises(MmsearchError, match=words):
        checked(STUDY, overrides)


@pytest.mark.parametrize(
    "line",
    [
        "from mmsearch.datasets import held_out",
        "import mmsearch.datasets.held_out as h",
        "from mmsearch.datasets.held_out import load",
        "from mmsearch.datasets.inspection import inspect",
        "from mmsearch.selection import opening",
        'import importlib; h = importlib.import_module("mmsearch.datasets.held_out")',
        'h = __import__("mmsearch.datasets.held_out")',
        "def late():\n    from mmsearch.datasets import held_out",
    ],
)
def test_a_methods_file_cannot_import_what_gives_test(tmp_path, line):
    path = tmp_path / "method.py"
    path.write_text(f"{EXAMPLE}\n\n{line}\n")
    with pytest.raises(StudyError, match=r"imports mmsearch\..*no method may see the test split"):
        methods.schema_of(str(path))


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("np.load(data / 'test.npz')", id="by its path"),
        pytest.param("np.load(data / 'deep' / '..' / 'test.npz')", id="by a path with dots"),
        pytest.param("os.open(data / 'test.npz', os.O_RDONLY)", id="by the system's open"),
        pytest.param("(data / 'test.npz').read_bytes()", id="as bytes"),
        pytest.param("np.load(link)", id="by a symbolic link"),
        pytest.param("shutil.copy(data / 'test.npz', data.parent / 'x')", id="by a copy"),
        pytest.param("os.chdir(data); open('test.npz', 'rb')", id="from its folder"),
        pytest.param("np.load(bundled.FILES / 'mfeat' / 'test.npz')", id="of a bundled dataset"),
        pytest.param("np.load(named / 'x' / 'test.npz')", id="below MMSEARCH_DATA"),
        pytest.param("datasets.load('arrays', folder=data)", id="as its valid split"),
        pytest.param(
            "importlib.import_module('mmsearch.datasets.held' + '_out')", id="import in pieces"
        ),
        pytest.param("exec('from mmsearch.datasets import held_out')", id="import in a text"),
        pytest.param("from mmsearch.selection import opening", id="by the room that opens it"),
    ],
)
def test_a_process_that_trains_cannot_reach_test(tmp_path, attempt):
    data, named = tmp_path / "data", tmp_path / "named"
    for folder in (data, named / "x"):
        toy_arrays.write(folder, toy_arrays.content())
    (data / "deep").mkdir()
    (tmp_path / "link").symlink_to(data / "test.npz")
    script = f"""
import importlib, os, shutil
from pathlib import Path
import numpy as np
from mmsearch import datasets
from mmsearch.datasets import bundled, sealing
data, named, link = Path({str(data)!r}), Path({str(named)!r}), Path({str(tmp_path / "link")!r})
sealing.seal(data)
{attempt}
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MMSEARCH_DATA": str(named)},
    )
    assert done.returncode == 1
    assert any(words in done.stderr for words in SEALED.split("|")), done.stderr


def test_what_a_trial_needs_is_not_sealed(tmp_path):
    script = f"""
from pathlib import Path
import numpy as np
from mmsearch.datasets.sealing import seal
data = Path({str(tmp_path)!r})
views = data / ".features" / "text-1"
views.mkdir(parents=True)
seal(data, but=[views])
np.save(views / "train.npy", np.zeros(3)); np.load(views / "train.npy")
(data / "config.json").write_text("{{}}")
(data / "best.pt").write_bytes(b"")
from mmsearch import methods, training, backbones
methods.find("selfmi"), methods.find("m3col"), methods.find("mim"), methods.find("baseline")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("split", ["valid", "train"])
@pytest.mark.parametrize("how", ["copied", "linked"])
def test_test_under_another_name_is_noticed_when_it_is_opened(tmp_path, split, how):
    folder = toy_arrays.write(tmp_path, toy_arrays.content())
    (folder / f"{split}.npz").unlink()
    if how == "linked":
        (folder / f"{split}.npz").symlink_to(folder / "test.npz")
    else:
        (folder / f"{split}.npz").write_bytes((folder / "test.npz").read_bytes())
    seen, test = datasets.load("arrays", folder=folder), held_out.load("arrays", folder=folder)
    with pytest.raises(
        SelectionError, match=f"100% of the rows of test are in {split}.*examples of"
    ):
        _require_apart(test.batch, seen)


def test_test_among_the_rows_of_train_is_noticed_when_it_is_opened(tmp_path):
    content = toy_arrays.content()
    for name, values in content["test"].items():
        content["train"][name] = np.concatenate([content["train"][name], values])
    folder = toy_arrays.write(tmp_path, content)
    seen, test = datasets.load("arrays", folder=folder), held_out.load("arrays", folder=folder)
    with pytest.raises(SelectionError, match="of the rows of test are in train"):
        _require_apart(test.batch, seen)


@pytest.mark.parametrize("name", ["mosei922", "mfeat"])
def test_the_bundled_datasets_raise_no_alarm(name):
    _require_apart(held_out.load(name).batch, datasets.load(name))


def test_the_projects_own_methods_and_studies_raise_no_alarm():
    for path in (ROOT / "mmsearch" / "methods").glob("*.py"):
        assert not sealing.imported(sealing.ast.parse(path.read_text())), path
    for path in [*(ROOT / "tests").glob("*_method*.py")]:
        if not path.name.startswith("test_"):
            methods.schema_of(str(path))
    for path in (ROOT / "search_spaces").glob("*.toml"):
        studies.load(path, schema_of=methods.schema_of)


def test_rows_are_compared_without_their_padding(tmp_path):
    seen = datasets.load("arrays", folder=toy_arrays.write(tmp_path, toy_arrays.content()))
    padded = {n: v[:, : v.shape[1]].clone() for n, v in seen.valid.inputs.items()}
    padded["pulse"] = np_pad(padded["pulse"])
    with pytest.raises(SelectionError, match="are in valid"):
        _require_apart(replace(seen.valid, inputs=padded), seen)


def np_pad(values):
    from torch.nn.functional import pad

    return pad(values, (0, 0, 0, 5))
