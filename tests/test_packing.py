"""Several trials on one GPU: each has its share of the memory."""

from typing import Any

import deepspeed
import pytest
import torch

from mmsearch.training import Worker
from mmsearch.training.worker import join


@pytest.mark.parametrize(("share", "told"), [(0.25, 0.25), (1.0, 1.0)])
def test_a_process_gets_its_share_of_the_memory_before_anything_is_there(
    monkeypatch: pytest.MonkeyPatch, share: float, told: float
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(torch.cuda, "set_device", done.append)
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda fraction, device: done.append((fraction, device)),
    )
    monkeypatch.setattr(deepspeed, "init_distributed", lambda **asked: done.append(asked))
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "DS_ACCELERATOR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    gpu = torch.device("cuda", 0)
    join(Worker(device=gpu, memory_share=share), init_method="file:///nowhere")
    assert done[:2] == [gpu, (told, gpu)]
    assert done[2]["dist_backend"] == "nccl"
