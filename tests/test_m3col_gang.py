"""M3CoL on two real workers: gradients through gathered and mixed batches are those of one."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from toy_gang import Gang
from toy_m3col import MAX_EPOCHS, ROWS, SOFT, batch_of, built, tell

from mmsearch.methods.base import Progress
from mmsearch.methods.m3col import M3CoL
from mmsearch.training import Worker
from mmsearch.training.gather import Share


@pytest.fixture(scope="module")
def gang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gang]:
    two = Gang(tmp_path_factory.mktemp("gang"), 2)
    yield two
    two.close()


def gradients(worker: Worker, config: dict[str, Any], epoch: int) -> dict[str, Tensor]:
    """Of one batch, averaged over workers as the training room does it."""
    with pytest.MonkeyPatch.context() as patch:
        tell(patch)
        method, share = built(**config), Share(ROWS, worker)
        part = batch_of().take(share.of(torch.arange(ROWS)))
        terms = method.losses(part, Progress(epoch, MAX_EPOCHS, gather=share.gather))
    coupled = M3CoL.coupled_terms
    loss = sum(v if name in coupled else share.weight * v for name, v in terms.items())
    torch.autograd.backward(loss)
    found = {name: weight.grad for name, weight in method.named_parameters()}
    if worker.world_size > 1:
        for gradient in found.values():
            distributed.all_reduce(gradient)
            gradient.div_(worker.world_size)
    return found


@pytest.mark.parametrize("epoch", [1, SOFT])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"m3co_target": "mixed"},
        {"mix_level": "input"},
        {"label_mixup": "all"},
        {"label_mixup": "mirna", "mix_level": "input"},
    ],
    ids=str,
)
def test_gradients_on_two_workers_are_those_of_one(gang: Gang, config: dict[str, Any], epoch: int):
    config = {"contrast_weight": 1.0, **config}
    expected = gradients(Worker(), config, epoch)
    for found in gang.call(gradients, config, epoch):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
