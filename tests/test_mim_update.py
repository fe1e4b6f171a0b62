"""MIM's two steps a batch, against two Adams over one purification network; and its one step."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training as toy
from plain_loop import PlainLoop
from test_training_checkpoint import state
from torch import Tensor
from toy_mim import SMALL, batch_of, built
from toys import toy_data

from mmsearch import methods
from mmsearch.errors import TrainingError
from mmsearch.losses.two_steps import flat_weights, merge
from mmsearch.methods.base import Progress
from mmsearch.methods.mim import MIM
from mmsearch.space import Choice, Space
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, check

EPOCHS = 3
DATA = toy_data(num_train=40)
"""Five batches of 8 an epoch."""
TWO, ONE = {**SMALL, "batch_size": 8}, {**SMALL, "batch_size": 8, "update": "one_step"}
REFUSED = r'mim steps its UPN twice a batch \(update = "two_steps"\), which needs ZeRO stage 0'
GOLDEN = {
    "task": 1.172619,
    "unmasked/text": 1.641036,
    "masked/audio": 1.483045,
    "penalty/vision": 0.097118,
    "intra/vision": 0.011657,
    "inter": 14.956195,
}
"""Terms of the second epoch on the default toy, by the MIM that knew one step only."""
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "rates of their own": {"learning_rate": 3e-3, "learning_rate_upn": 1e-3},
    "accumulation": {"accumulation": 2},
    "tail dropped": {"accumulation": 2, "accumulation_tail": "drop"},
    "weight decay": {"weight_decay": 0.1},
    "no penalty": {"penalty_weight": 0.0},
    "penalty alone": {"mask_weight": 0.0},
    "neither, and no shadow": {"mask_weight": 0.0, "penalty_weight": 0.0},
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with toy.alone(tmp_path_factory.mktemp("gang")) as one:
        yield one


class TwoAdams:
    """What METHODS says of MIM's code: one UPN; both gradients of a forward pass, then two Adams.

    A MIM without a shadow gives the terms; gradients, steps and decay are by hand.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        torch.manual_seed(toy.SEED.stream("weights"))
        method = methods.build("mim", {**config, "update": "one_step"}, DATA.task)
        assert isinstance(method, MIM)
        self.method, self.config = method, method.config
        self.upn = list(method.upn.parameters())
        own = {id(weight) for weight in self.upn}
        self.all = [*self.upn, *(w for w in method.parameters() if id(w) not in own)]
        rate = self.config.learning_rate_upn
        self.first = torch.optim.Adam(self.upn, lr=rate)
        others = {"params": self.all[len(self.upn) :], "lr": self.config.learning_rate}
        self.second = torch.optim.Adam([{"params": self.upn, "lr": rate}, others])

    def run(self, epochs: int) -> MIM:
        for epoch in range(1, epochs + 1):
            self.method.train()
            torch.manual_seed(toy.SEED.stream(f"noise/{epoch}/0"))
            generator = torch.Generator().manual_seed(toy.SEED.stream(f"order/{epoch}"))
            batches = torch.randperm(len(DATA.train), generator=generator).split(8)
            group = self.config.accumulation
            for start in range(0, len(batches), group):
                rows = batches[start : start + group]
                if len(rows) == group or self.config.accumulation_tail == "step":
                    self._step(rows, Progress(epoch, EPOCHS))
        return self.method

    def _step(self, batches: tuple[Tensor, ...], progress: Progress) -> None:
        first = [torch.zeros_like(weight) for weight in self.upn]
        second = [self.config.weight_decay * weight.detach() for weight in self.all]
        for rows in batches:
            terms = self.method.losses(DATA.train.take(rows), progress)
            own = {n: t for n, t in terms.items() if n.startswith(("masked/", "penalty/"))}
            rest = sum(term for name, term in terms.items() if name not in own)
            if own:
                first = added(first, sum(own.values()), self.upn)
            second = added(second, rest, self.all)
        for optimizer, weights, gradients in (
            (self.first, self.upn, first),
            (self.second, self.all, second),
        ):
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient
            optimizer.step()


def added(gradients: list[Tensor], loss: Any, weights: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(
        loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return [old + new for old, new in zip(gradients, found, strict=True)]


def study(**changes: Any) -> Study:
    return replace(toy.study(max_epochs=EPOCHS), method="mim", **changes)


def trainer(worker: Worker, config: Mapping[str, Any], **changes: Any) -> Trainer:
    return Trainer(study(**changes), DATA, config, seed=toy.SEED, worker=worker)


def trained(worker: Worker, config: Mapping[str, Any], **changes: Any) -> MIM:
    one = trainer(worker, config, **changes)
    one.advance(EPOCHS)
    method = one._engines.method
    assert isinstance(method, MIM)
    one.close()
    return method


def weights_of(method: MIM) -> dict[str, Tensor]:
    """Without the shadow, and without the biases of attention's keys.

    Attention does not depend on those: their gradient is rounding, which Adam scales up.
    """
    shadow = ("upn_masked", "upn_before")
    found = {n: w.detach() for n, w in method.state_dict().items() if not n.startswith(shadow)}
    for name in (name for name in found if name.endswith("attention.inputs.bias")):
        queries, _, values = found[name].chunk(3)
        found[name] = torch.cat([queries, values])
    return found


def far(left: MIM, right: MIM) -> float:
    """Largest distance of two weights."""
    ours, theirs = weights_of(left), weights_of(right)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS)
def test_two_steps_are_those_of_two_adams_over_one_network(
    worker: Worker, config: dict[str, Any]
) -> None:
    expected = TwoAdams({**TWO, **config}).run(EPOCHS)
    found = trained(worker, {**TWO, **config})
    assert far(found, expected) < 1e-5


def test_two_steps_are_not_one(worker: Worker) -> None:
    assert far(trained(worker, TWO), trained(worker, ONE)) > 1e-3


def test_the_network_and_its_shadow_are_equal_after_every_epoch(worker: Worker) -> None:
    one = trainer(worker, TWO)
    method = one._engines.method
    start = flat_weights(method.upn)
    for epoch in range(1, EPOCHS + 1):
        one.advance(epoch)
        assert flat_weights(method.upn).equal(flat_weights(method.upn_masked))
        assert flat_weights(method.upn).equal(method.upn_before)
    assert not flat_weights(method.upn).equal(start)
    one.close()


def test_merging_adds_both_steps() -> None:
    module, shadow = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    with torch.no_grad():
        for moved, step in ((module, 0.5), (shadow, -2.0)):
            moved.weight.copy_(before[:4].view(2, 2) + step)
            moved.bias.copy_(before[4:] + step)
    storage = [weight.data_ptr() for weight in (*module.parameters(), *shadow.parameters())]
    merge(module, shadow, before)
    expected = torch.tensor([-0.5, 0.5, 1.5, 2.5, 3.5, 4.5])
    for merged in (flat_weights(module), flat_weights(shadow), before):
        assert merged.equal(expected)
    now = [weight.data_ptr() for weight in (*module.parameters(), *shadow.parameters())]
    assert now == storage, "optimisers and cuDNN hold on to where weights lie"


def test_two_steps_resume_bit_for_bit(worker: Worker, tmp_path: Path) -> None:
    whole = trainer(worker, TWO)
    expected, expected_state = toy.curve(whole.advance(EPOCHS)), state(whole)
    first = trainer(worker, TWO)
    found = toy.curve(first.advance(1))
    first.save(tmp_path / "c")
    second = trainer(worker, TWO)
    second.load(tmp_path / "c")
    found += toy.curve(second.advance(EPOCHS))
    assert found == expected
    assert expected_state.keys() >= {"upn_before", "upn_masked.text.mixture.0.weight"}
    assert all(value.equal(expected_state[name]) for name, value in state(second).items())
    for one in (whole, first, second):
        one.close()


def test_two_steps_train_under_autocasting(worker: Worker) -> None:
    table = {"torch_autocast": {"enabled": True, "dtype": "bfloat16"}}
    method = trained(worker, TWO, deepspeed=table)
    assert flat_weights(method.upn).equal(flat_weights(method.upn_masked))
    assert method.upn_before.dtype == torch.float32
    assert 0 < far(method, trained(worker, TWO)) < 0.05


@pytest.mark.parametrize("number", [1, 2, 3])
def test_two_steps_need_stage_0_and_one_step_does_not(worker: Worker, number: int) -> None:
    table = toy.stage(number)
    with pytest.raises(TrainingError, match=REFUSED):
        trainer(worker, TWO, deepspeed=table)
    one = trainer(worker, ONE, deepspeed=table)
    expected = trainer(worker, ONE)
    for seen, wanted in zip(one.advance(EPOCHS), expected.advance(EPOCHS), strict=True):
        assert seen.metrics["train/loss"] == pytest.approx(wanted.metrics["train/loss"], rel=1e-5)
    one.close()
    expected.close()


def test_a_study_of_two_steps_is_refused_above_stage_0_before_it_starts() -> None:
    above = study(deepspeed=toy.stage(1))
    with pytest.raises(TrainingError, match=f"{REFUSED}. Leave it out, and use torch_autocast"):
        check(above, MIM.Config(), task=DATA.task)
    check(study(), MIM.Config(), task=DATA.task)
    check(above, MIM.Config(update="one_step"), task=DATA.task)


def test_a_space_that_brings_two_steps_is_refused_above_stage_0() -> None:
    space = Space({"update": Choice(("one_step", "two_steps"))})
    config = MIM.Config(update="one_step")
    above = study(deepspeed=toy.stage(1), space=space, published=config.model_dump())
    with pytest.raises(TrainingError, match=f"with update = two_steps {REFUSED}"):
        check(above, config, task=DATA.task)


def test_two_steps_are_refused_above_stage_0_whatever_the_weights_of_their_terms() -> None:
    """A space may search those weights from 0 on."""
    config = MIM.Config(mask_weight=0.0, penalty_weight=0.0)
    with pytest.raises(TrainingError, match=REFUSED):
        check(study(deepspeed=toy.stage(1)), config, task=DATA.task)


def test_one_step_gives_the_numbers_from_before_there_were_two() -> None:
    terms = PlainLoop("mim", {**SMALL, "update": "one_step"}, toy_data()).run(2)[-1]
    assert {name: terms[name] for name in GOLDEN} == pytest.approx(GOLDEN, rel=1e-4)


@pytest.mark.parametrize(
    ("config", "shadow"),
    [
        ({}, True),
        ({"mask_weight": 0.0}, True),
        ({"penalty_weight": 0.0}, True),
        ({"mask_weight": 0.0, "penalty_weight": 0.0}, False),
        ({"update": "one_step"}, False),
    ],
    ids=str,
)
def test_a_shadow_is_there_for_terms_with_a_step_of_their_own(
    config: dict[str, Any], shadow: bool
) -> None:
    method = built(**config)
    assert (method.upn_masked is not None) == shadow
    assert ("upn_before" in method.state_dict()) == shadow
    assert ("upn_masked" in {group.name for group in method.parameter_groups()}) == shadow


def test_a_shadow_leaves_initial_weights_and_predictions_alone() -> None:
    two, one = built(), built(update="one_step")
    assert far(two, one) == 0.0
    with torch.no_grad():
        for weight in two.upn_masked.parameters():
            weight.zero_()
    assert two(batch_of()).equal(one(batch_of()))


def test_groups_carry_their_rates_and_decays():
    method = built(learning_rate=0.1, learning_rate_upn=0.2, weight_decay=0.3)
    groups = {group.name: group for group in method.parameter_groups()}
    assert {name: (group.learning_rate, group.weight_decay) for name, group in groups.items()} == {
        "upn": (0.2, 0.3),
        "upn_masked": (0.2, 0.0),
        "other": (0.1, 0.3),
    }
    for name in ("upn", "upn_masked"):
        own = {id(weight) for weight in method.get_submodule(name).parameters()}
        assert {id(weight) for weight in groups[name].parameters} == own
