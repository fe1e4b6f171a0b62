"""The training room on two real workers: the same global batch gives the same training."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training as toy
from torch import Tensor
from toy_gang import Gang
from toy_mim import SMALL
from toys import toy_data

from mmsearch.losses.two_steps import flat_weights
from mmsearch.methods import mim
from mmsearch.training import Diverged, Trainer, Worker
from mmsearch.training.gather import Share

EPOCHS = 3


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with toy.alone(tmp_path_factory.mktemp("alone")) as worker:
        yield worker


def trained(
    worker: Worker, table: dict[str, Any], config: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Curve, and the weights and memories of the best epoch."""
    with toy.trainer(worker, config, deepspeed=table, max_epochs=EPOCHS) as trainer:
        return toy.curve(trainer.advance(EPOCHS)), trainer._best


def interrupted(worker: Worker, table: dict[str, Any], folder: str) -> list[dict[str, float]]:
    """Curve of a trial that is saved after the first epoch and resumed by another trainer."""
    config, changes = {"dropout": 0.3}, {"deepspeed": table, "max_epochs": EPOCHS}
    with toy.trainer(worker, config, **changes) as first:
        found = toy.curve(first.advance(1))
        first.save(Path(folder))
    with toy.trainer(worker, config, **changes) as second:
        second.load(Path(folder))
        return found + toy.curve(second.advance(EPOCHS))


def uninterrupted(worker: Worker, table: dict[str, Any]) -> list[dict[str, float]]:
    return trained(worker, table, {"dropout": 0.3})[0]


def trained_selfmi(worker: Worker, pair_mi: str) -> list[dict[str, float]]:
    config = {
        "batch_size": 7,
        "accumulation": 3,
        "dropout_text": 0.0,
        "dropout_audio": 0.0,
        "pair_mi": pair_mi,
    }
    study = replace(toy.study(max_epochs=EPOCHS), method="selfmi")
    data = toy_data(num_train=50, num_valid=21)
    trainer = Trainer(study, data, config, seed=toy.SEED, worker=worker)
    try:
        return toy.curve(trainer.advance(EPOCHS))
    finally:
        trainer.close()


def trained_mim(worker: Worker, update: str) -> tuple[list[dict[str, float]], list[Tensor]]:
    """Curve, and the purification network's weights in all places that keep them; no noise."""
    off = {f"dropout_{name}": 0.0 for name in ("attention", "relu", "residual", "embedding")}
    config = {**SMALL, **off, "batch_size": 7, "accumulation": 3, "update": update}
    study = replace(toy.study(max_epochs=EPOCHS), method="mim")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mim, "uniform_noise", lambda like: torch.full_like(like, 0.5))
        data = toy_data(num_train=50, num_valid=21)
        trainer = Trainer(study, data, config, seed=toy.SEED, worker=worker)
        curve = toy.curve(trainer.advance(EPOCHS))
    method = trainer._engines.method
    places = [flat_weights(method.upn)]
    if update == "two_steps":
        places += [flat_weights(method.upn_masked), method.upn_before.clone()]
    trainer.close()
    return curve, places


def diverged(worker: Worker) -> str:
    with toy.trainer(worker, {"diverges_in": 2}) as trainer:
        try:
            trainer.advance(EPOCHS)
        except Diverged as error:
            return str(error)
    return ""


def gathered(worker: Worker, total: int) -> dict[str, Any]:
    """What gather makes of numbers, and the gradient of a loss that differs by worker."""
    share = Share(total, worker)
    rows = share.of(torch.arange(total))
    own = (10.0 * rows).requires_grad_()
    whole = share.gather(own)
    ((worker.rank + 1) * whole * torch.arange(1, total + 1)).sum().backward()
    return {
        "rows": share.gather(rows).tolist(),
        "matrix": share.gather(torch.stack([rows, -rows], dim=1)).tolist(),
        "flags": share.gather(rows > 0).tolist(),
        "whole": whole.tolist(),
        "gradient": own.grad.tolist(),
        "weight": share.weight,
    }


@pytest.mark.parametrize("total", [1, 2, 5])
def test_gather_puts_the_batch_together_again(gang: Gang, total: int) -> None:
    for found in gang.call(gathered, total):
        assert found["rows"] == list(range(total))
        assert found["matrix"] == [[row, -row] for row in range(total)]
        assert found["flags"] == [row > 0 for row in range(total)]
        assert found["whole"] == [10.0 * row for row in range(total)]


def test_gather_returns_the_gradient_of_all_workers_losses(gang: Gang) -> None:
    first, second = gang.call(gathered, 5)
    assert first["gradient"] == [3.0, 6.0, 9.0]
    assert second["gradient"] == [12.0, 15.0]


def test_a_borrowed_row_has_no_weight_and_no_gradient(gang: Gang) -> None:
    first, second = gang.call(gathered, 1)
    assert (first["weight"], second["weight"]) == (2.0, 0.0)
    assert (first["gradient"], second["gradient"]) == ([3.0], [0.0])


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "config",
    [
        {"batch_size": 7, "accumulation": 3},
        {"batch_size": 6, "accumulation": 4, "accumulation_tail": "drop", "gradient_clipping": 0.2},
    ],
    ids=["odd batches, and a last one of a single row", "clipping, and a tail that is dropped"],
)
def test_two_workers_train_as_one_does(
    gang: Gang, alone: Worker, number: int, config: dict[str, Any]
) -> None:
    table = toy.stage(number)
    expected, weights = trained(alone, table, config)
    (found, best), (others, nothing) = gang.call(trained, table, config)
    assert found == others, "workers disagree on what they saw"
    assert not nothing, "only the first worker keeps the best weights"
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)
    assert all(torch.allclose(best[k], v, atol=1e-5) for k, v in weights.items())


def test_two_workers_train_phases_as_one_does(gang: Gang, alone: Worker) -> None:
    config = {"phases": "two", "share": 0.5}
    expected, _ = trained(alone, {}, config)
    (found, _), _ = gang.call(trained, {}, config)
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("pair_mi", ["cpc", "mmilb"])
def test_two_workers_train_selfmi_as_one_does(gang: Gang, alone: Worker, pair_mi: str) -> None:
    expected = trained_selfmi(alone, pair_mi)
    found, _ = gang.call(trained_selfmi, pair_mi)
    for one, other in zip(expected, found, strict=True):
        losses = {name for name in one if name.startswith("train/") and "norm" not in name}
        for name in losses | {"valid/mae"}:
            assert one[name] == pytest.approx(other[name], abs=1e-4, rel=1e-4), name


@pytest.mark.parametrize("update", ["two_steps", "one_step"])
def test_two_workers_train_mim_as_one_does(gang: Gang, alone: Worker, update: str) -> None:
    expected, (weights, *_) = trained_mim(alone, update)
    (found, first), (others, second) = gang.call(trained_mim, update)
    assert found == others
    assert all(place.equal(first[0]) for place in (*first, *second)), "workers step alike"
    torch.testing.assert_close(first[0], weights, rtol=1e-4, atol=1e-5)
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other, abs=1e-4, rel=1e-4)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_two_workers_resume_bit_for_bit(gang: Gang, tmp_path: Path, number: int) -> None:
    table = toy.stage(number)
    found = gang.call(interrupted, table, str(tmp_path / "c"))
    assert found == gang.call(uninterrupted, table)


def test_workers_draw_noise_of_their_own(gang: Gang, alone: Worker) -> None:
    (found, _), _ = gang.call(trained, {}, {"dropout": 0.5})
    assert found[0]["train/l1"] != pytest.approx(
        trained(alone, {}, {"dropout": 0.5})[0][0]["train/l1"], abs=1e-6
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_gpu_trains_nearly_as_a_cpu_does(alone: Worker, tmp_path: Path, number: int) -> None:
    table, config = toy.stage(number), {"accumulation": 2, "gradient_clipping": 0.5}
    expected, _ = trained(alone, table, config)
    gpu = Gang(tmp_path, 1, device=torch.device("cuda", 0))
    try:
        ((found, _),) = gpu.call(trained, table, config)
    finally:
        gpu.close()
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other, abs=1e-3, rel=1e-3)


def test_all_workers_see_that_a_trial_diverged(gang: Gang) -> None:
    assert gang.call(diverged) == ["train/loss is not finite after epoch 2"] * 2
