"""The command that says which datasets are there and right."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_arrays import content
from toy_arrays import write as write_arrays
from toy_mmsa import layout
from toy_mmsa import write as write_mmsa
from toy_mogonet import change
from toy_mogonet import write as write_mogonet
from toy_n24news import layout as news_layout
from toy_n24news import write as write_news
from toy_table import write as write_table
from typer.testing import CliRunner, Result

from mmsearch import datasets
from mmsearch.data import app


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command where the environment names no folder."""
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def block(output: str, name: str) -> str:
    """What a listing says of one dataset."""
    (found,) = (part for part in output.split("\n\n") if part.strip().startswith(f"{name}: "))
    return found


# The listing


def test_every_known_dataset_is_listed_with_a_sentence(ask: Callable[..., Result]) -> None:
    done = ask()
    assert done.exit_code == 0
    for name in datasets.known():
        first, *_ = block(done.stdout, name).splitlines()
        assert first.endswith(".")


def test_what_is_bundled_is_valid_and_described(ask: Callable[..., Result]) -> None:
    told = block(ask().stdout, "mfeat")
    assert "valid       classification of 10 classes, metrics multiclass" in told
    assert "rows        1200 train, 400 valid, 400 test" in told
    assert "modalities  fou 76, fac 216, kar 64, pix 240, zer 47, mor 6" in told
    assert "labels      1200 train labels in 10 classes" in told
    assert f"SHA-256     {datasets.load('mfeat').fingerprint} (train and valid)" in told


def test_what_is_absent_is_said_with_its_files_and_source(ask: Callable[..., Result]) -> None:
    told = block(ask().stdout, "rosmap")
    assert "absent      dataset 'rosmap': no folder is given" in told
    assert "1_tr.csv" in told
    assert "txWang/MOGONET" in told


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_folder_of_datasets_is_looked_through(
    tmp_path: Path, ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    write_mogonet(tmp_path / "rosmap")
    change(
        write_mogonet(tmp_path / "BRCA", train=[0, 1, 2, 3, 4] * 5) / "2_te.csv", 0, "1,nan,1,1,1"
    )
    if how == "environment":
        monkeypatch.setenv("MMSEARCH_DATA", str(tmp_path))
    done = ask("--data", tmp_path) if how == "option" else ask()
    assert done.exit_code == 0
    assert "20 train, 5 valid, 3 test" in block(done.stdout, "rosmap")
    assert "wrong       " in block(done.stdout, "brca")
    assert "2_te.csv: expected finite numbers up to 1e+38, got nan in row 1 column 2" in block(
        done.stdout, "brca"
    )
    assert "absent" in block(done.stdout, "mosi")


def test_the_option_goes_before_the_environment_and_leaves_it_alone(
    tmp_path: Path, ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMSEARCH_DATA", "elsewhere")
    write_mogonet(tmp_path / "rosmap")
    assert "20 train" in block(ask("--data", tmp_path).stdout, "rosmap")
    assert "elsewhere" in block(ask().stdout, "rosmap")


# One dataset


def test_one_dataset_is_checked_in_the_folder_that_is_given(
    tmp_path: Path, ask: Callable[..., Result]
) -> None:
    done = ask("arrays", "--data", write_arrays(tmp_path, content()))
    assert done.exit_code == 0
    assert "valid       regression, metrics regression" in done.stdout
    assert "rows        20 train, 6 valid, 5 test" in done.stdout


def test_raw_modalities_are_told_apart_from_features(
    tmp_path: Path, ask: Callable[..., Result]
) -> None:
    done = ask("table", "--data", write_table(tmp_path))
    assert done.exit_code == 0
    assert "valid       classification of 3 classes, metrics multiclass" in done.stdout
    assert "rows        12 train, 4 valid, 3 test" in done.stdout
    assert "modalities  text (raw text), vision (raw images), audio 2\n" in done.stdout


def test_datasets_of_one_folder_are_all_found_in_it(
    tmp_path: Path, ask: Callable[..., Result]
) -> None:
    write_news(tmp_path / "n24news", news_layout())
    listing = ask("--data", tmp_path).stdout
    for name in ("n24news_headline", "n24news_caption"):
        told = block(listing, name)
        assert "rows        30 train, 5 valid, 4 test" in told
        assert "modalities  text (raw text), vision (raw images)" in told
        assert f"SHA-256     {datasets.load(name, folder=tmp_path / 'n24news').fingerprint}" in told


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mag_mosi", "WasifurRahman/BERT_multimodal_transformer"),
        ("n24news_caption", "billywzh717/N24News"),
        ("food101", "UPMC Food-101"),
        ("table", "write dataset.toml"),
    ],
)
def test_where_to_get_what_is_absent_is_said(
    ask: Callable[..., Result], name: str, source: str
) -> None:
    told = block(ask().stdout, name)
    assert f"absent      dataset '{name}': no folder is given" in told
    assert source in told


def test_a_missing_image_of_test_is_found_before_any_search(
    tmp_path: Path, ask: Callable[..., Result]
) -> None:
    (write_table(tmp_path) / "images" / "item 18.jpg").unlink()
    done = ask("table", "--data", tmp_path)
    assert done.exit_code == 2
    assert "1 of 3 files of raw images are missing" in done.stderr


def test_a_remark_on_the_files_is_told(tmp_path: Path, ask: Callable[..., Result]) -> None:
    write_mmsa(tmp_path / "aligned_50.pkl", layout())
    done = ask("mosi", "--data", tmp_path)
    assert done.exit_code == 0
    assert "  note        " in done.stdout
    assert "is not one that MMSA lists for mosi" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["mfeet"], "no dataset is called 'mfeet'. Did you mean 'mfeat'?", id="name"),
        pytest.param(["rosmap"], "no folder is given", id="absent"),
        pytest.param(
            ["rosmap", "--data", "nowhere"], "expected a folder, got 'nowhere'", id="folder"
        ),
        pytest.param(["--data", "nowhere"], "expected a folder, got 'nowhere'", id="listing"),
        pytest.param(["mfeat", "--data", "."], "a folder has no effect", id="no-effect"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    ask: Callable[..., Result], words: list[str], message: str
) -> None:
    done = ask(*words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")


def test_a_broken_test_split_is_found_before_any_search(
    tmp_path: Path, ask: Callable[..., Result]
) -> None:
    change(write_mogonet(tmp_path) / "labels_te.csv", 0, "9")
    done = ask("rosmap", "--data", tmp_path)
    assert done.exit_code == 2
    assert "labels_te.csv: expected whole numbers from 0 to 1, got 9 in row 1" in done.stderr


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch.data", "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: dataset: no dataset is called 'nothing'.")


def test_help_is_answered_without_torch() -> None:
    code = "import sys, mmsearch.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_real_brca_is_valid(
    ask: Callable[..., Result], real_data: Callable[[str], Path]
) -> None:
    done = ask("brca", "--data", real_data("brca769"))
    assert "mrna 993, methylation 1000, mirna 503" in done.stdout
    assert ", 212 test" in done.stdout
