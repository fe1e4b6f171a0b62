"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```toml\n(.*?)^```", README, re.S | re.M)


def own_study(tmp_path: Path) -> Path:
    """The README's study of an own method on own data, and that data."""
    block, _ = BLOCKS
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    study = tmp_path / "my_study.toml"
    study.write_text(block)
    generator = np.random.default_rng(0)
    (tmp_path / "my_data").mkdir()
    for split, rows in (("train", 60), ("test", 20)):
        target = np.arange(rows) % 3
        views = {
            name: (np.eye(3)[target] + generator.normal(0, 0.5, (rows, 3))).astype(np.float32)
            for name in ("left", "right")
        }
        np.savez(tmp_path / "my_data" / f"{split}.npz", target=target, **views)
    return study


def tune(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mmsearch.tune",
        "my_study.toml",
        "--data",
        "my_data",
        *options,
    ]
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False, timeout=250
    )


def test_the_study_of_an_own_method_on_own_data_is_right(tmp_path):
    own_study(tmp_path)
    done = tune(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "learning_rate" in done.stdout


@pytest.mark.slow
def test_the_study_of_an_own_method_on_own_data_is_searched(tmp_path):
    own_study(tmp_path)
    done = tune(tmp_path, "--trials", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "incumbent" in done.stdout


def test_the_table_of_texts_and_images_is_read_as_shown(tmp_path):
    _, description = BLOCKS
    (tmp_path / "images").mkdir()
    lines = ["id,description,category,split"]
    for row in range(30):
        split = ("train", "train", "train", "valid", "test")[row % 5]
        lines.append(f"{row},product number {row},{('watch', 'towel')[row % 2]},{split}")
        (tmp_path / "images" / f"{row}.jpg").write_bytes(b"")
    (tmp_path / "products.csv").write_text("\n".join(lines))
    (tmp_path / "dataset.toml").write_text(description)
    np.save(tmp_path / "sales.npy", np.zeros((30, 2), dtype=np.float32))
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch.data", "table", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "18 train, 6 valid, 6 test" in done.stdout
    assert "text (raw text), vision (raw images), sales 2" in done.stdout


def test_every_study_that_the_readme_names_is_shipped():
    named = set(re.findall(r"mmsearch\.tune ([a-z0-9_]+)(?=[ \n`])", README))
    assert named
    assert {
        name for name in named if not (ROOT / "search_spaces" / f"{name}.toml").exists()
    } == set()


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"`((?:tests|benchmarks|search_spaces|mmsearch)/[\w/.]+)`", README)
    assert [name for name in named if not (ROOT / name).exists()] == []
