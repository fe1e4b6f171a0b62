"""`report`, `ls`, `show` and `export` on studies on record; nothing on record is changed."""

import csv
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet
from toy_ledger import PROVENANCE, epochs
from typer.testing import CliRunner

from mmsearch import methods
from mmsearch import study as studies
from mmsearch.cli import app
from mmsearch.look.showing import sparkline
from mmsearch.sampling import Ledger, open_ledger, read
from mmsearch.trial import Completed, Failed, Segment

FILE = """method = "baseline"
dataset = "mosei922"
budget = { trials = 9, max_epochs = 3 }
[scheduler]
kind = "none"
[sampler]
kind = "random"
[objective]
metric = "valid/mae"
direction = "minimize"
[space]
batch_size = { choice = [16, 32] }
learning_rate = { log_uniform = [1e-4, 1e-2] }
"""


def search(ledger: Ledger) -> None:
    """Two trials complete, one fails, one is left running."""
    for values in ((0.5, 0.4, 0.45), (0.6, 0.3, 0.2)):
        number = begun(ledger)
        ledger.observe(number, epochs(1, *values))
        ledger.close(number, Completed())
    failed = begun(ledger)
    ledger.observe(failed, epochs(1, 0.7))
    ledger.close(failed, Failed("error", "ValueError: broken\nat line 7"))
    begun(ledger)


def begun(ledger: Ledger) -> int:
    trial = ledger.propose()
    assert trial is not None
    ledger.begin(trial.number, Segment("host", 0, 100.0))
    return trial.number


def study_on(url: str, name: str) -> Ledger:
    study = studies.loads(FILE, place=name, schema_of=methods.schema_of, name=name)
    return open_ledger(url, study, provenance=PROVENANCE, resume=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study that a driver holds open while it is looked at."""
    folder = tmp_path_factory.mktemp("studies")
    with study_on(f"journal://{folder / 'mine' / 'study.journal'}", "mine") as ledger:
        search(ledger)
        yield folder


def call(*words: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def test_a_study_is_listed_with_its_standing(out):
    head, line = call("ls", "--out", out).splitlines()
    assert head.split()[:4] == ["study", "method", "dataset", "state"]
    assert "mine   baseline  mosei922  3 of 9  1 running, 2 completed, 1 failed" in line
    assert "0.2000     0.4000" in line


def test_a_study_that_cannot_be_read_is_listed_with_why(tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "study.journal").write_text("no journal\n" * 3)
    assert "torn" in call("ls", "--out", tmp_path)
    assert "cannot be read" in call("ls", "--out", tmp_path)
    assert "no study in" in call("ls", "--out", tmp_path / "torn")
    assert "expected a folder" in call("ls", "--out", tmp_path / "nowhere", code=2)


def test_a_database_is_listed_and_shown_by_its_url(tmp_path):
    url = f"sqlite:///{tmp_path / 'all.db'}"
    for name in ("one", "two"):
        with study_on(url, name) as ledger:
            search(ledger)
    lines = call("ls", "--storage", url).splitlines()
    assert [line.split()[0] for line in lines] == ["study", "one", "two"]
    assert "Say which one with --name" in call("show", url, code=2)
    assert call("show", url, "--name", "two").startswith("two: baseline on mosei922")


def test_a_study_is_shown_with_its_best_trials_and_its_failures(out):
    text = call("show", "mine", "--out", out)
    assert "2 completed, 1 failed, of 9" in text
    assert "incumbent   0.2000, trial 1, 0.2000 better than the published" in text
    assert "failed      trial 2: error: ValueError: broken" in text
    assert text.index("trial 1  batch_size") < text.index("trial 0 (published)")


def test_a_trial_is_shown_with_curve_segment_failure_and_configuration(out):
    text = call("show", out / "mine", "2")
    assert "failed      error: ValueError: broken" in text
    assert "at line 7" in text
    assert "on host from epoch 0" in text
    assert f"{out / 'mine' / 'logs' / 'trial-0002.log'} (not there)" in text
    config = tomllib.loads(text[text.index("[published]") :])["published"]
    expected = read(f"journal://{out / 'mine' / 'study.journal'}").trials[2].config
    assert config == {key: value for key, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "mien"), "Did you mean 'mine'?"),
        (("show", "mine", "4"), "has trials 0 to 3, got 4"),
        (("show", "."), "holds no study.journal"),
        (("export", "mine", "--to", "a.xlsx"), "ends in .csv or .parquet, got 'a.xlsx'"),
        (("report", "sqlite:////nowhere/a.db"), "no record here"),
    ],
    ids=["name", "trial", "folder", "format", "storage"],
)
def test_a_wrong_name_is_answered_with_what_there_is(out, words, said):
    answer = call(*words, "--out", out, code=2)
    assert answer.startswith("error: ")
    assert said in answer


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_has_a_row_a_trial_or_a_row_an_epoch(out, tmp_path, ending):
    trials, all_epochs = tmp_path / f"trials.{ending}", tmp_path / f"epochs.{ending}"
    assert "4 rows" in call("export", "mine", "--out", out, "--to", trials)
    assert "7 rows" in call("export", "mine", "--out", out, "--epochs", "--to", all_epochs)

    def rows(path: Path) -> list[dict[str, object]]:
        if ending == "parquet":
            return parquet.read_table(path).to_pylist()
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    assert [float(str(row["value"] or "nan")) for row in rows(trials)][:2] == [0.4, 0.2]
    assert [int(str(row["epoch"])) for row in rows(all_epochs)] == [1, 2, 3, 1, 2, 3, 1]
    assert float(str(rows(all_epochs)[4]["valid/mae"])) == 0.3


def test_looking_changes_nothing_on_record_while_a_driver_writes(out, tmp_path):
    journal = out / "mine" / "study.journal"
    before = journal.read_bytes(), {path.name for path in journal.parent.iterdir()}
    call("show", "mine", "--out", out)
    call("report", "mine", "--out", out, "--to", tmp_path / "r.html")
    assert (journal.read_bytes(), {path.name for path in journal.parent.iterdir()}) == before
    assert "mine: baseline on mosei922" in (tmp_path / "r.html").read_text()


def test_the_page_and_figures_of_a_study_are_written_where_they_are_asked_for(out, tmp_path):
    said = call("report", "mine", "--out", out, "--to", tmp_path / "r.html", "--figures", tmp_path)
    assert {Path(line).name for line in said.split("\n") if line} == {
        "r.html",
        "progress.pdf",
        "curves.pdf",
    }


def test_a_curve_in_the_terminal_has_a_bar_a_value():
    assert sparkline([0.0, 0.5, 1.0], width=10) == "▁▅█"
    assert sparkline([1.0, float("nan"), 1.0], width=10) == "▅?▅"
    assert len(sparkline([float(n) for n in range(100)], width=10)) == 10
