"""Attempts to see the test split while searching: each is caught, with words that say so."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_arrays

from mmsearch import datasets, methods, sampling, training
from mmsearch import study as studies
from mmsearch.datasets import held_out, sealing
from mmsearch.errors import MmsearchError, SelectionError, StudyError
from mmsearch.selection.opening import _require_apart
from mmsearch.trial import Failed

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


ATTEMPTS = {
    "by its path": "np.load(data / 'test.npz')",
    "by a path with dots": "np.load(data / 'deep' / '..' / 'test.npz')",
    "by the system's open": "os.open(data / 'test.npz', os.O_RDONLY)",
    "as bytes": "(data / 'test.npz').read_bytes()",
    "by a symbolic link": "np.load(link)",
    "by a copy": "shutil.copy(data / 'test.npz', data.parent / 'x')",
    "of a bundled dataset": "np.load(bundled.FILES / 'mfeat' / 'test.npz')",
    "below MMSEARCH_DATA": "np.load(named / 'x' / 'test.npz')",
    "as its valid split": "datasets.load('arrays', folder=data)",
    "import": "from mmsearch.datasets import held_out",
    "import in pieces": "importlib.import_module('mmsearch.datasets.held' + '_out')",
    "import in a text": "exec('from mmsearch.datasets import held_out')",
    "by the room that opens it": "from mmsearch.selection import opening",
    "from its folder": "os.chdir(data); open('test.npz', 'rb')",
}
"""What a method could do in the process that trains it."""
SCRIPT = """
import importlib, json, os, shutil
from pathlib import Path
import numpy as np
from mmsearch import datasets
from mmsearch.datasets import bundled, sealing
data, named, link = (Path(base) / part for part in ("data", "named", "link"))
sealing.seal(data)
said = {}
for name, attempt in attempts.items():
    try:
        exec(attempt)
    except Exception as error:
        said[name] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each attempt was answered with, in one process that is sealed."""
    base = tmp_path_factory.mktemp("sealed")
    for folder in (base / "data", base / "named" / "x"):
        toy_arrays.write(folder, toy_arrays.content())
    (base / "data" / "deep").mkdir()
    (base / "link").symlink_to(base / "data" / "test.npz")
    done = subprocess.run(
        [sys.executable, "-c", f"base, attempts = {str(base)!r}, {ATTEMPTS!r}\n{SCRIPT}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MMSEARCH_DATA": str(base / "named")},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_process_that_trains_cannot_reach_test(answers, attempt):
    assert re.search(SEALED, answers[attempt])


@pytest.mark.slow
def test_a_method_that_reads_test_while_it_trains_fails_with_the_reason(tmp_path):
    (tmp_path / "method.py").write_text(
        EXAMPLE.replace(
            "def losses(",
            "def losses(self, batch, progress):\n"
            f"        import numpy; numpy.load({str(tmp_path / 'data' / 'test.npz')!r})\n"
            "    def unused(",
        )
    )
    toy_arrays.write(tmp_path / "data", toy_arrays.content(classes=3))
    (tmp_path / "toy.toml").write_text(
        'method = "method.py"\ndataset = "arrays"\ndata = "data"\n'
        'objective = { metric = "valid/accuracy", direction = "maximize" }\n'
        "budget = { trials = 1, max_epochs = 1 }\n"
        "space = { learning_rate = { log_uniform = [1e-4, 1e-1] } }\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch.tune", "toy.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = sampling.read(f"journal://{tmp_path / 'studies' / 'toy' / 'study.journal'}").trials
    assert isinstance(trial.state, Failed)
    assert re.search(SEALED, trial.state.message)


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
