"""Raw modalities: what names their files, tells them and puts them in fingerprints."""

from pathlib import Path

import pytest
import torch

from mmsearch.batch import Batch
from mmsearch.datasets import SearchData, TargetTransform, Task
from mmsearch.datasets.raw import MODALITIES, Raw
from mmsearch.errors import DataError


def data(widths: dict[str, int], kinds: dict[str, Raw]) -> SearchData:
    """Two rows of nothing but what messages tell of them."""
    target = torch.tensor([0, 1])
    batch = Batch(inputs={}, lengths={}, target=target, rows=torch.arange(2))
    task = Task(
        dataset="toy",
        modalities=widths,
        loss_family="classification",
        transform=TargetTransform(),
        bound=0.0,
        metrics="binary",
        train_target=target,
        balance="even",
        classes=("a", "b"),
    )
    return SearchData(task, batch, batch, "0", {name: (raw, raw) for name, raw in kinds.items()})


def test_files_are_named_by_their_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").touch()
    monkeypatch.chdir(tmp_path)
    raw = Raw.of_files("image", [Path("a.jpg")], place="here")
    assert raw.values == (str(tmp_path / "a.jpg"),)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        pytest.param(
            3, r"here: 2 of 5 files of raw images are missing: .*3\.jpg, .*4\.jpg\. ", id="two"
        ),
        pytest.param(
            0, r"here: 5 of 5 files .*: .*0\.jpg, .*1\.jpg, .*2\.jpg, \.\.\.\. Put", id="all"
        ),
    ],
)
def test_missing_files_are_one_error_with_their_number_and_the_first(
    tmp_path: Path, there: int, message: str
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for path in paths[:there]:
        path.touch()
    with pytest.raises(DataError, match=message) as caught:
        Raw.of_files("image", paths, place="here")
    assert len(caught.value.problems) == 1


def test_a_folder_is_no_file_of_a_sound(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 1 files of raw sounds are missing"):
        Raw.of_files("sound", [tmp_path], place="here")


@pytest.mark.parametrize(
    ("widths", "kinds", "told"),
    [
        pytest.param({"a": 3, "b": 4}, [], "a 3, b 4", id="features"),
        pytest.param(
            {"text": 0, "vision": 0, "audio": 74},
            ["text", "image"],
            "text (raw text), vision (raw images), audio 74",
            id="raw-beside-features",
        ),
        pytest.param(
            {"text": 768, "audio": 0},
            ["text", "sound"],
            "text 768 (and raw text), audio (raw sounds)",
            id="both-of-one",
        ),
    ],
)
def test_modalities_are_told_by_features_and_by_what_is_raw(
    widths: dict[str, int], kinds: list[str], told: str
) -> None:
    raw = {name: Raw(kind, ("x", "y")) for kind, name in MODALITIES.items() if kind in kinds}
    assert data(widths, raw).modalities_told == told
