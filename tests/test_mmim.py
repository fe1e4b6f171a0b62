"""MMIM: its two phases and its memory against a loop written by hand, and what switches change."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from plain_loop import SEED, PlainLoop
from torch import Tensor, nn
from toys import toy_data

from mmsearch import methods
from mmsearch.errors import StudyError
from mmsearch.methods.base import Phase, Progress
from mmsearch.methods.mmim import MMIM

PAIRS = (("text", "vision"), ("text", "audio"))


def built(*modalities: str, **config: Any) -> MMIM:
    torch.manual_seed(0)
    data = toy_data(modalities or ("text", "audio", "vision"))
    method = methods.build("mmim", config, data.task)
    assert isinstance(method, MMIM)
    return method.eval()


class ByHand:
    """MMIM's training as its code has it, on the weights of a method."""

    def __init__(self, method: MMIM, *, logvar: bool) -> None:
        self.method, self.logvar = method, logvar
        assert method.mmilb is not None
        self.likelihoods = list(method.mmilb.parameters())
        own = {id(parameter) for parameter in self.likelihoods}
        self.others = [p for p in method.parameters() if id(p) not in own]
        self.first = torch.optim.Adam(self.likelihoods, lr=1e-3, weight_decay=1e-4)
        self.second = torch.optim.Adam(self.others, lr=1e-3, weight_decay=1e-4)

    def epoch(self, batches: list[Any]) -> None:
        for batch in batches:
            self.step(self.first, self.likelihoods, -self.likelihood(self.views(batch)))
        memory: dict[str, tuple[Tensor, Tensor]] = {}
        for index, batch in enumerate(batches):
            views = self.views(batch)
            z = self.method.fusion(torch.cat([views[n] for n in ("text", "audio", "vision")], 1))
            loss = (self.method.head(z)[:, 0] - batch.target).abs().mean()
            for name, x in views.items():
                loss = loss + 0.1 * self.contrast(name, x, z)
            loss = loss - 0.1 * self.likelihood(views)
            for x, y in PAIRS:
                module = self.method.mmilb.entropies[f"{x}_{y}"]
                seen = torch.tanh(views[y] @ module.weight.T + module.bias)
                if index > 1:
                    loss = loss - 0.1 * self.entropy(seen, batch.target, *memory[y])
                memory[y] = seen.detach(), batch.target
            self.step(self.second, self.others, loss, clip=1.0)

    def views(self, batch: Any) -> dict[str, Tensor]:
        encoders = self.method.encoders
        return {n: encoders[n](batch.inputs[n], batch.lengths[n]) for n in encoders}

    def likelihood(self, views: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for x, y in PAIRS:
            module = self.method.mmilb.likelihoods[f"{x}_{y}"]
            mean, logvar = module.mean(views[x]), module.logvar(views[x])
            density = -((mean - views[y]) ** 2) / 2 / logvar.exp()
            total = total + (density - logvar / 2 if self.logvar else density).sum(1).mean()
        return total

    def contrast(self, name: str, x: Tensor, z: Tensor) -> Tensor:
        predicted = self.method.cpc.predictors[name](z)
        x, predicted = (
            x / x.norm(dim=1, keepdim=True),
            predicted / predicted.norm(dim=1, keepdim=True),
        )
        own = (x * predicted).sum(1)
        return -(own - torch.logsumexp(x @ predicted.T, dim=1)).mean()

    def entropy(self, seen: Tensor, target: Tensor, before: Tensor, targets: Tensor) -> Tensor:
        values, signs = torch.cat([seen, before]), torch.cat([target, targets])
        halves = [values[signs > 0], values[signs < 0]]
        return 0.25 * sum(torch.logdet(torch.cov(half.T, correction=0)) for half in halves)

    def step(self, adam: Any, weights: list[Tensor], loss: Tensor, clip: float = 1.0) -> None:
        gradients = torch.autograd.grad(loss, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(weights, clip)
        adam.step()
        adam.zero_grad()


@pytest.mark.parametrize("logvar", [True, False], ids=["with logvar", "as in the code"])
def test_three_epochs_are_those_of_a_loop_written_by_hand(logvar: bool) -> None:
    data = toy_data()
    config = {"dropout": 0.0, "batch_size": 16, "include_logvar": logvar}
    loop = PlainLoop("mmim", config, data)
    by_hand = ByHand(deepcopy(loop.method), logvar=logvar)
    loop.run(3)
    for epoch in (1, 2, 3):
        generator = torch.Generator().manual_seed(SEED.stream(f"order/{epoch}"))
        order = torch.randperm(64, generator=generator)
        by_hand.epoch([data.train.take(rows) for rows in order.split(16)])
    for (name, ours), theirs in zip(
        loop.method.named_parameters(), by_hand.method.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({}, {"task", "cpc/", "likelihood/", "entropy/"}),
        ({"cpc_weight": 0.0}, {"task", "likelihood/", "entropy/"}),
        ({"pair_weight": 0.0}, {"task", "cpc/"}),
    ],
    ids=["all", "no CPC", "no pairs"],
)
def test_a_weight_of_0_leaves_its_terms_out(config: dict[str, Any], kinds: set[str]) -> None:
    terms = built(**config).losses(toy_data().train.take(torch.arange(16)), Progress(1, 9))
    assert {name[: name.find("/") + 1] or name for name in terms} == kinds


@pytest.mark.parametrize(
    ("modalities", "config", "pairs"),
    [
        ((), {}, ["text_vision", "text_audio"]),
        ((), {"pair_vision_audio": True}, ["text_vision", "text_audio", "vision_audio"]),
        (("audio", "vision"), {}, ["vision_audio"]),
        (("text", "audio"), {}, ["text_audio"]),
    ],
    ids=["text first", "all", "without text", "without vision"],
)
def test_pairs_are_those_of_text_and_what_is_asked_for(
    modalities: tuple[str, ...], config: dict[str, Any], pairs: list[str]
) -> None:
    method = built(*modalities, **config)
    assert method.mmilb is not None
    assert list(method.mmilb.pairs) == pairs


def test_likelihoods_have_the_first_phase_and_nothing_else_has_it() -> None:
    method = built(mmilb_share=0.5)
    assert method.phases() == (Phase("mi", ("mi",), 0.5), Phase("main", ("main",)))
    assert built(pair_weight=0.0).phases() == (Phase("main", ("main",)),)
    assert method.stage_0_reason() == "trains in several phases"
    terms = method.losses(toy_data().train, Progress(1, 9, phase="mi"))
    assert set(terms) == {"mi/text_vision", "mi/text_audio"}


def test_classes_are_refused() -> None:
    with pytest.raises(StudyError, match="mmim takes regressions, and toy is a classification"):
        methods.build("mmim", {}, toy_data(classes=3).task)
