"""Methods from outside the package: the worked example, files in error, and entry points."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toys import TOYS

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.errors import StudyError
from mmsearch.methods.base import Method
from mmsearch.seeds import Seed
from mmsearch.training import train
from mmsearch.trial import Completed, Observation, Verdict

EXAMPLE = Path(__file__).parent / "own_method_example.py"
TEXT = EXAMPLE.read_text()
Write = Callable[[str], str]
HALF = """
from mmsearch.methods.base import Method

class Half(Method):
    def forward(self, batch): ...
"""
STUDY = f"""
method = "{EXAMPLE}"
dataset = "toy"
budget = {{ trials = 1, max_epochs = 5 }}
published = {{ decay = 0.1 }}
space = {{ learning_rate = {{ log_uniform = [1e-3, 1e-1] }} }}
[objective]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `own.py` into the working folder; answers its relative path."""
    monkeypatch.chdir(tmp_path)

    def put(text: str) -> str:
        (tmp_path / "own.py").write_text(text)
        return "own.py"

    return put


def refusal(name: str) -> str:
    with pytest.raises(StudyError) as caught:
        methods.find(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("toy", "objective"),
    [
        ("regression-3", 'metric = "valid/mae"\ndirection = "minimize"'),
        ("classes-3", 'metric = "valid/accuracy"\ndirection = "maximize"'),
    ],
    ids=["regression", "classification"],
)
def test_a_study_of_a_method_of_ones_own_is_read_and_trained(toy: str, objective: str) -> None:
    study = studies.loads(STUDY + objective, place="own.toml", schema_of=methods.schema_of)
    seen: list[Observation] = []

    def report(observation: Observation) -> Verdict:
        seen.append(observation)
        return Verdict.CONTINUE

    ending = train(
        study, study.published, seed=Seed(study=0, trial=0), data=TOYS[toy](), report=report
    )
    assert ending == Completed()
    assert seen[-1].metrics["train/task"] < 0.8 * seen[0].metrics["train/task"]
    assert seen[0].metrics["train/size"] > 0


def test_a_relative_path_starts_at_the_working_folder(write: Write) -> None:
    assert methods.find(write(TEXT)).__name__ == "LinearAverage"


def test_a_file_is_imported_once(write: Write) -> None:
    name = write(TEXT)
    assert methods.find(name) is methods.find(str(Path(name).resolve()))


def test_the_schema_of_a_file_is_its_config(write: Write) -> None:
    assert "decay" in methods.schema_of(write(TEXT)).model_fields


def test_a_file_that_is_not_there_is_named_with_the_working_folder(write: Write) -> None:
    assert refusal("lost.py") == (
        "method: there is no file lost.py. "
        f"A relative path starts at the working folder, {Path.cwd()}."
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "none"),
        ("from mmsearch.methods.baseline import Baseline", "none"),
        (f"{TEXT}\n\nclass Other(LinearAverage):\n    pass\n", "LinearAverage, Other"),
    ],
    ids=["nothing", "imported", "two"],
)
def test_a_file_must_define_one_method(write: Write, text: str, found: str) -> None:
    assert refusal(write(text)) == (
        f"method: own.py must define one subclass of mmsearch.methods.base.Method, got {found}. "
        "Give every method a file of its own."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import mmsearch\nimport no_such_module",
            "ModuleNotFoundError in line 2: No module named",
        ),
        ("\n\n1 / 0", "ZeroDivisionError in line 3: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
    ids=["import", "running", "syntax"],
)
def test_a_file_that_cannot_be_imported_is_told_with_the_reason(
    write: Write, text: str, reason: str
) -> None:
    assert refusal(write(text)).startswith(f"method: own.py cannot be imported: {reason}")


def test_a_file_in_error_can_be_mended(write: Write) -> None:
    refusal(write("1 / 0"))
    assert issubclass(methods.find(write(TEXT)), Method)


def test_a_method_that_is_not_complete_is_told_what_it_lacks(write: Write) -> None:
    assert refusal(write(HALF)) == (
        "method: Half in own.py lacks losses, parameter_groups, "
        "a Config that is a subclass of mmsearch.methods.base.MethodConfig. "
        "Compare it with a file of mmsearch/methods."
    )


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Installs a package with one method, whose entry point `mine` has this value."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(value: str) -> str:
        info = tmp_path / "mine-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mmsearch.methods]\nmine = {value}\n")
        (tmp_path / f"{value.partition(':')[0]}.py").write_text(TEXT)
        return "mine"

    return install


def test_a_method_of_an_installed_package_is_found_by_its_entry_point(installed: Write) -> None:
    name = installed("their_package:LinearAverage")
    method = methods.build(name, {"decay": 0.5}, TOYS["classes-6"]().task)
    assert type(method).__module__ == "their_package"


def test_a_misspelt_entry_point_is_answered_with_the_closest(installed: Write) -> None:
    installed("their_other_package:LinearAverage")
    assert refusal("mines") == "method: no method is called 'mines'. Did you mean 'mine'?"


def test_an_entry_point_must_name_a_method(installed: Write) -> None:
    assert refusal(installed("a_third_package:nn")) == (
        "method: entry point mine = a_third_package:nn must name a subclass of "
        "mmsearch.methods.base.Method. Name it as package.module:Class."
    )


def test_an_entry_point_that_cannot_be_loaded_is_told_with_the_reason(installed: Write) -> None:
    found = refusal(installed("a_fourth_package:Missing"))
    assert "mine = a_fourth_package:Missing cannot be imported: AttributeError: module" in found
