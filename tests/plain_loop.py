"""Plain PyTorch training of any method: the reference that the training room is compared with.

It honours parameter groups, phases and their shares, gradients summed over batches, the tail of an
epoch, clipping, what a method does after a step, and the random streams of `mmsearch.seeds`.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.datasets.task import SearchData
from mmsearch.methods.base import ParameterGroup, Phase, Progress
from mmsearch.seeds import Seed

SEED = Seed(study=0, trial=0)


class PlainLoop:
    """One trial on one worker."""

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        data: SearchData,
        *,
        seed: Seed = SEED,
        max_epochs: int = 10,
    ) -> None:
        torch.manual_seed(seed.stream("weights"))
        self.method = methods.build(name, config, data.task)
        self.data, self.seed, self.max_epochs = data, seed, max_epochs
        self.epoch = 0
        self._groups = {group.name: group for group in self.method.parameter_groups()}
        for parameter_name, parameter in self.method.named_parameters():
            if parameter_name.startswith(self.method.fixed_weights or ("\0",)):
                parameter.requires_grad_(False)
        self._optimizers = {
            phase.name: torch.optim.Adam([_table(self._groups[name]) for name in phase.groups])
            for phase in self.method.phases()
        }

    def run(self, epochs: int) -> list[dict[str, float]]:
        """Trains some epochs; means over rows of every term, by epoch."""
        return [self._run_epoch() for _ in range(epochs)]

    def state(self) -> dict[str, Any]:
        """All that a resumed loop needs, copied."""
        optimizers = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        state = {"method": self.method.state_dict(), "optimizers": optimizers, "epoch": self.epoch}
        return _copy(state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over another loop's state."""
        self.method.load_state_dict(state["method"])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(_copy(state["optimizers"][name]))
        self.epoch = state["epoch"]

    def predict(self, batch: Batch) -> Tensor:
        """Predictions in model units, or logits."""
        self.method.eval()
        with torch.no_grad():
            return self.method(batch)

    def _run_epoch(self) -> dict[str, float]:
        self.epoch += 1
        self.method.train()
        torch.manual_seed(self.seed.stream(f"noise/{self.epoch}/0"))
        generator = torch.Generator().manual_seed(self.seed.stream(f"order/{self.epoch}"))
        order = torch.randperm(len(self.data.train), generator=generator)
        batches = order.split(self.method.config.batch_size)
        sums: dict[str, float] = defaultdict(float)
        rows: dict[str, int] = defaultdict(int)
        for phase in self.method.phases():
            own = batches[: ceil(phase.share * len(batches))]
            for terms, size in self._run_phase(phase, own):
                for name, value in terms.items():
                    sums[name] += value * size
                    rows[name] += size
        return {name: sums[name] / rows[name] for name in sums}

    def _run_phase(
        self, phase: Phase, batches: tuple[Tensor, ...]
    ) -> list[tuple[dict[str, float], int]]:
        config, optimizer = self.method.config, self._optimizers[phase.name]
        trained = [p for table in optimizer.param_groups for p in table["params"]]
        progress = Progress(self.epoch, self.max_epochs, phase.name)
        seen = []
        self._train_only(phase)
        for index, rows in enumerate(batches, start=1):
            batch = self.data.train.take(rows)
            terms = self.method.losses(batch, progress)
            sum(terms.values(), torch.zeros(())).backward()
            self.method.after_backward(batch, progress)
            seen.append(({name: float(value.detach()) for name, value in terms.items()}, len(rows)))
            tail = index == len(batches) and config.accumulation_tail == "step"
            if index % config.accumulation == 0 or tail:
                if config.gradient_clipping > 0:
                    nn.utils.clip_grad_norm_(trained, config.gradient_clipping)
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    self.method.after_step()
        optimizer.zero_grad()
        return seen

    def _train_only(self, phase: Phase) -> None:
        for name, group in self._groups.items():
            for parameter in group.parameters:
                parameter.requires_grad_(name in phase.groups)


def _table(group: ParameterGroup) -> dict[str, Any]:
    return {
        "params": list(group.parameters),
        "lr": group.learning_rate,
        "weight_decay": group.weight_decay,
    }


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return value
