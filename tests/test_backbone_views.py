"""Views: computed once, found again by their content, whole or not there at all."""

import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_backbones as toy

from mmsearch import backbones
from mmsearch.backbones import views
from mmsearch.backbones.network import Inputs, Source
from mmsearch.backbones.views import mapped
from mmsearch.cluster.shipping import pack, unpack
from mmsearch.datasets.task import SearchData


def text_study(model: Path, kind: str = "frozen", **settings: Any) -> toy.Study:
    return toy.study({"text_backbone": toy.text(model, kind, **settings)})


def folder_of(
    model: Path, data: SearchData, out: Path, kind: str = "frozen", **settings: Any
) -> str:
    """Name of the folder of the one view that a study needs."""
    (view,) = toy.planned(text_study(model, kind, **settings), data, out).data.views.values()
    return view.folder.name


def test_nothing_is_missing_the_second_time(networks: Path, tmp_path: Path) -> None:
    asked, data = text_study(networks / "bert"), toy.raw_data()
    first = toy.planned(asked, data, tmp_path)
    (missing,) = first.missing()
    told: list[int] = []
    backbones.compute(missing, advance=told.append)
    assert sum(told) == len(data.train) + len(data.valid)
    assert toy.planned(asked, data, tmp_path).missing() == []
    names = ["train.npy", "train_lengths.npy", "valid.npy", "valid_lengths.npy"]
    assert sorted(path.name for path in missing.view.folder.iterdir()) == names
    assert missing.view.folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == [missing.view.folder]


def test_planning_computes_nothing_and_writes_nothing(networks: Path, tmp_path: Path) -> None:
    plan = toy.planned(text_study(networks / "bert"), toy.raw_data(), tmp_path / "views")
    assert len(plan.missing()) == 1
    assert not list(tmp_path.iterdir())


OTHERS: dict[str, Callable[[Path, Path], str]] = {
    "another text": lambda networks, out: folder_of(
        networks / "bert", toy.raw_data(valid=("other", *toy.sentences(9))), out
    ),
    "another network": lambda networks, out: folder_of(networks / "still", toy.raw_data(), out),
    "another output": lambda networks, out: folder_of(
        networks / "bert", toy.raw_data(), out, output="mean"
    ),
    "another cut": lambda networks, out: folder_of(
        networks / "bert", toy.raw_data(), out, max_tokens=5
    ),
    "a network that learns along": lambda networks, out: folder_of(
        networks / "bert", toy.raw_data(), out, "fine_tuned"
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_whatever_changes_features_changes_the_folder(
    networks: Path, tmp_path: Path, other: Callable[[Path, Path], str]
) -> None:
    assert other(networks, tmp_path) != folder_of(networks / "bert", toy.raw_data(), tmp_path)


def test_other_weights_under_the_same_path_give_another_folder(
    networks: Path, tmp_path: Path
) -> None:
    from transformers import BertModel

    model = tmp_path / "model"
    shutil.copytree(networks / "bert", model)
    before = folder_of(model, toy.raw_data(), tmp_path)
    toy.save(model, BertModel.from_pretrained(model), seed=9)
    views._source.cache_clear()  # what another process would find
    assert folder_of(model, toy.raw_data(), tmp_path) != before


def test_rates_of_a_network_that_learns_along_do_not_change_the_folder(
    networks: Path, tmp_path: Path
) -> None:
    one, other = (
        folder_of(networks / "bert", toy.raw_data(), tmp_path, "fine_tuned", **settings)
        for settings in (
            {"learning_rate": 1e-3, "output": "mean"},
            {"weight_decay": 0.1, "decay_all": True, "output": "steps"},
        )
    )
    assert one == other


def test_the_same_network_elsewhere_gives_the_same_folder(networks: Path, tmp_path: Path) -> None:
    shutil.copytree(networks / "bert", tmp_path / "copy")
    here, there = (
        folder_of(model, toy.raw_data(), tmp_path)
        for model in (networks / "bert", tmp_path / "copy")
    )
    assert here == there


def test_the_same_images_elsewhere_give_the_same_folder(networks: Path, tmp_path: Path) -> None:
    def name(folder: Path) -> str:
        files = [str(path) for path in sorted(folder.iterdir())]
        settings = {"kind": "frozen", "model": str(networks / "vit")}
        data = toy.raw_data("image", train=files, valid=files[:1])
        plan = toy.planned(toy.study({"vision_backbone": settings}), data, tmp_path / "views")
        return next(iter(plan.data.views.values())).folder.name

    (tmp_path / "one").mkdir()
    for seed in range(3):
        toy.image(tmp_path / "one" / f"{seed}.png", seed=seed)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert name(tmp_path / "one") == name(tmp_path / "two")
    toy.image(tmp_path / "two" / "0.png", seed=5)
    assert name(tmp_path / "one") != name(tmp_path / "two")


def test_the_fingerprint_of_the_data_is_one_of_the_networks_too(
    networks: Path, tmp_path: Path
) -> None:
    data = toy.raw_data()
    found = {
        toy.planned(text_study(networks / name, kind), data, tmp_path).data.fingerprint
        for name in ("bert", "still")
        for kind in ("frozen", "fine_tuned")
    }
    assert len({*found, data.fingerprint}) == 5
    given = toy.study({})
    whole = toy.toy_data()
    assert toy.planned(given, whole, tmp_path).data == whole


def test_rows_and_lengths_are_in_the_order_of_the_split(networks: Path, tmp_path: Path) -> None:
    texts = toy.sentences(41, seed=5, most=12)
    data = toy.raw_data(train=texts, valid=texts[::-1])
    (view,) = toy.computed(
        text_study(networks / "bert", output="steps"), data, tmp_path
    ).views.values()
    train, lengths = mapped(view, "train")
    assert lengths.tolist() == [len(text.split()) + 2 for text in texts]
    valid, backwards = mapped(view, "valid")
    assert backwards.tolist() == lengths.tolist()[::-1]
    real = torch.arange(train.shape[1]) < lengths.unsqueeze(1)
    torch.testing.assert_close(valid.flip(0)[real], train[real], rtol=1e-5, atol=1e-6)
    assert not train[~real].any()


def of_lengths(monkeypatch: pytest.MonkeyPatch, *, padding: int) -> None:
    """Entries are read two at a time, as many steps as their number says."""

    def read(entries: Sequence[str]) -> Inputs:
        lengths = np.array([int(entry.rstrip("x")) for entry in entries])
        values = np.full((len(entries), lengths.max()), padding, dtype=np.int32)
        for row, length in enumerate(lengths):
            values[row, :length] = length
        return Inputs(values, lengths)

    def found(chosen: backbones.Chosen) -> Source:
        return replace(whole(chosen), read=read, padding=padding, rows=2)

    whole = views.source
    monkeypatch.setattr(views, "source", found)


@pytest.mark.parametrize("padding", [0, 7])
def test_the_table_grows_when_a_later_part_is_longer(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, padding: int
) -> None:
    of_lengths(monkeypatch, padding=padding)
    # The longest texts come first, and here they have the fewest steps.
    texts = ("1xxxxxx", "3xx", "2xxxx", "5", "4x", "6")
    data = toy.raw_data(train=texts, valid=texts[:1])
    found = toy.computed(text_study(networks / "bert", "fine_tuned"), data, tmp_path)
    values, lengths = mapped(next(iter(found.views.values())), "train")
    assert lengths.tolist() == [1, 3, 2, 5, 4, 6]
    assert values.tolist() == [[n] * n + [padding] * (6 - n) for n in lengths.tolist()]


def test_a_crash_in_the_middle_leaves_nothing(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(chosen: backbones.Chosen) -> Source:
        def read(entries: Sequence[str]) -> Inputs:
            parts.append(len(entries))
            if len(parts) > 2:
                raise OSError("the disk is gone")
            return found.read(entries)

        found = whole(chosen)
        return replace(found, read=read, rows=4)

    parts: list[int] = []
    whole = views.source
    (missing,) = toy.planned(text_study(networks / "bert"), toy.raw_data(), tmp_path).missing()
    monkeypatch.setattr(views, "source", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        backbones.compute(missing)
    assert parts == [4, 4, 4]
    assert not list(tmp_path.iterdir())


def test_a_view_that_another_process_finished_meanwhile_is_left_as_it_is(
    networks: Path, tmp_path: Path
) -> None:
    (missing,) = toy.planned(text_study(networks / "bert"), toy.raw_data(), tmp_path).missing()

    def other(_: int) -> None:
        if not missing.view.folder.is_dir():
            missing.view.folder.mkdir()
            (missing.view.folder / "theirs").touch()

    backbones.compute(missing, advance=other)
    assert [path.name for path in missing.view.folder.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [missing.view.folder]


def _compute(networks: Path, out: Path, barrier: Any) -> None:
    torch.set_num_threads(1)
    (missing,) = toy.planned(text_study(networks / "bert"), toy.raw_data(), out).missing()
    barrier.wait(60)
    backbones.compute(missing)


@pytest.mark.slow
def test_two_processes_that_compute_the_same_view_at_once_both_end_well(
    networks: Path, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    pair = [context.Process(target=_compute, args=(networks, tmp_path, barrier)) for _ in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(120)
    assert [process.exitcode for process in pair] == [0, 0]
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 4
    assert toy.planned(text_study(networks / "bert"), toy.raw_data(), tmp_path).missing() == []


def test_a_folder_can_be_read_by_others(networks: Path, tmp_path: Path) -> None:
    found = toy.computed(text_study(networks / "bert"), toy.raw_data(), tmp_path)
    (view,) = found.views.values()
    assert view.folder.stat().st_mode & 0o777 == 0o755


def test_a_file_that_is_written_to_in_memory_stays_as_it_is(networks: Path, tmp_path: Path) -> None:
    (view,) = toy.computed(text_study(networks / "bert"), toy.raw_data(), tmp_path).views.values()
    values, _ = mapped(view, "train")
    before = values.clone()
    values += 1.0
    assert mapped(view, "train")[0].equal(before)


def test_views_travel_to_workers_and_what_is_raw_does_not(networks: Path, tmp_path: Path) -> None:
    asked = text_study(networks / "bert")
    data = toy.computed(asked, toy.raw_data(), tmp_path)
    parcel = pack(data)
    assert not hasattr(parcel, "raw")
    there = unpack(parcel)
    assert not there.raw
    assert there.views == data.views
    assert there.fingerprint == data.fingerprint
    seen = [
        backbones.seen(one, toy.methods.complete("baseline", asked.published))
        for one in (data, there)
    ]
    assert (
        seen[0].task.modalities == seen[1].task.modalities == {"text": 8, "audio": 7, "vision": 9}
    )
    for split in ("train", "valid"):
        one, other = (getattr(part, split) for part in seen)
        assert list(one.inputs) == list(other.inputs)
        assert all(other.inputs[name].equal(value) for name, value in one.inputs.items())
        assert all(other.lengths[name].equal(value) for name, value in one.lengths.items())
