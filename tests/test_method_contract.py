"""The contract that every file in `methods/` passes, from the moment it exists."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_loop import PlainLoop
from torch import Tensor
from toys import SEQUENCES, TOYS, train_on_two_workers

from mmsearch import methods
from mmsearch.datasets.task import SearchData
from mmsearch.errors import StudyError
from mmsearch.methods.base import Method, Progress

EXAMPLE = Path(__file__).parent / "own_method_example.py"
SEPARATE = {
    "cpc_weight": 0.0,
    "pair_mi": "none",
    "pair_weight": 0.0,
    "ulg": "off",
    "contrast_weight": 0.0,
    "similarity_weight": 0.0,
    "difference_weight": 0.0,
}
"""Settings that leave out what the examples of a batch share, where a method has them."""
METHODS = [*methods.known(), str(EXAMPLE)]


def takes(name: str, toy: str) -> bool:
    """Whether a method takes a kind of data: it refuses one by `StudyError`, and not otherwise."""
    try:
        methods.build(name, {}, TOYS[toy]().task)
    except StudyError:
        return False
    except Exception:  # noqa: BLE001  a method that breaks counts, so that the tests tell how
        return True
    return True


def one_of_each_family(toys: list[str]) -> list[str]:
    """The first regression and the first classification of some kinds of data."""
    families = {TOYS[toy]().task.loss_family: toy for toy in reversed(toys)}
    return [toy for toy in toys if toy in families.values()]


def pairs(toys_of: Callable[[str], list[str]]) -> pytest.MarkDecorator:
    found = [(name, toy) for name in METHODS for toy in toys_of(name)]
    return pytest.mark.parametrize(
        ("name", "toy"), found, ids=[f"{Path(name).stem}-{toy}" for name, toy in found]
    )


TAKEN = {name: [toy for toy in TOYS if takes(name, toy)] for name in METHODS}
every_method = pytest.mark.parametrize("name", METHODS, ids=lambda name: Path(name).stem)
every_family = pairs(lambda name: one_of_each_family(TAKEN[name]))
every_toy = pairs(lambda name: TAKEN[name])
# One step teaches no weight from one step to the next, such as an LSTM's.
every_sequence = pairs(lambda name: [toy for toy in TAKEN[name] if toy in SEQUENCES])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bit for bit is meant for the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(name: str, data: SearchData) -> Method:
    torch.manual_seed(0)
    return methods.build(name, {}, data.task)


def error(prediction: Tensor, data: SearchData) -> float:
    """As a share of the mean absolute target, or of the examples."""
    target = data.train.target
    if data.task.classes:
        return float((prediction.argmax(dim=1) != target).float().mean())
    return float((prediction - target).abs().mean() / target.abs().mean())


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(left[key].equal(right[key]) for key in left)


@every_method
def test_a_method_takes_some_kind_of_data(name: str) -> None:
    assert TAKEN[name]


@every_toy
def test_losses_of_the_default_configuration_are_finite(name: str, toy: str) -> None:
    data = TOYS[toy](num_train=9)
    method = built(name, data)
    terms = method.losses(data.train, Progress(epoch=1, max_epochs=3))
    assert terms
    assert all(term.shape == () and term.isfinite() for term in terms.values())
    assert all(term.dtype == torch.float32 for term in terms.values())


@every_family
def test_predictions_are_a_float32_number_or_logits_an_example(name: str, toy: str) -> None:
    data = TOYS[toy](num_train=9)
    prediction = built(name, data).eval()(data.train)
    assert prediction.shape == ((9, len(data.task.classes)) if data.task.classes else (9,))
    assert prediction.dtype == torch.float32


@every_toy
def test_every_weight_is_in_one_group_or_fixed(name: str, toy: str) -> None:
    method = built(name, TOYS[toy]())
    grouped = [id(p) for group in method.parameter_groups() for p in group.parameters]
    free = [
        id(parameter)
        for weight, parameter in method.named_parameters()
        if not any(weight.startswith(prefix) for prefix in method.fixed_weights)
    ]
    assert sorted(grouped) == sorted(free)


@every_family
def test_phases_train_every_group(name: str, toy: str) -> None:
    method = built(name, TOYS[toy]())
    groups = {group.name for group in method.parameter_groups()}
    assert {group for phase in method.phases() for group in phase.groups} == groups


@every_sequence
def test_every_weight_gets_a_gradient_within_three_epochs(name: str, toy: str) -> None:
    loop = PlainLoop(name, {}, TOYS[toy]())
    waiting = set()

    def watch(weight: str) -> Callable[[Tensor], None]:
        def moved(parameter: Tensor) -> None:
            if parameter.grad is not None and parameter.grad.any():
                waiting.discard(weight)

        return moved

    for weight, parameter in loop.method.named_parameters():
        if parameter.requires_grad:
            waiting.add(weight)
            parameter.register_post_accumulate_grad_hook(watch(weight))
    loop.run(3)
    assert waiting == set()


@every_family
def test_evaluation_does_not_depend_on_batch_mates(name: str, toy: str) -> None:
    data = TOYS[toy]()
    loop = PlainLoop(name, {}, data)
    loop.run(1)
    together = loop.predict(data.valid)
    alone = torch.cat([loop.predict(data.valid.take(torch.tensor([row]))) for row in range(16)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


@every_family
def test_padding_has_no_effect(name: str, toy: str) -> None:
    data = TOYS[toy]()
    method = built(name, data).eval()
    padded = {key: torch.nn.functional.pad(x, (0, 0, 0, 3)) for key, x in data.valid.inputs.items()}
    longer = type(data.valid)(padded, data.valid.lengths, data.valid.target, data.valid.rows)
    torch.testing.assert_close(method(longer), method(data.valid), rtol=1e-5, atol=1e-6)


@every_family
def test_the_same_seed_takes_the_same_steps_bit_for_bit(name: str, toy: str) -> None:
    loops = [PlainLoop(name, {}, TOYS[toy]()) for _ in range(2)]
    curves = [loop.run(2) for loop in loops]
    assert curves[0] == curves[1]
    assert same(loops[0].method.state_dict(), loops[1].method.state_dict())


@every_family
def test_a_resumed_method_continues_bit_for_bit_with_its_memory(name: str, toy: str) -> None:
    through = PlainLoop(name, {}, TOYS[toy]())
    through.run(2)
    state = through.state()
    curves = through.run(2)
    resumed = PlainLoop(name, {}, TOYS[toy]())
    resumed.restore(state)
    assert resumed.run(2) == curves
    assert same(resumed.method.state_dict(), through.method.state_dict())


@every_family
def test_memories_are_float32_or_counts(name: str, toy: str) -> None:
    kinds = {buffer.dtype for buffer in built(name, TOYS[toy]()).buffers()}
    assert kinds <= {torch.float32, torch.int64}


@every_toy
def test_64_examples_can_be_learned_by_heart(name: str, toy: str) -> None:
    data = TOYS[toy]()
    loop = PlainLoop(name, {"accumulation": 1}, data, max_epochs=40)

    def learned() -> bool:
        loop.run(10)
        return error(loop.predict(data.train), data) < 0.15

    assert any(learned() for _ in range(4))


@every_family
def test_a_batch_of_one_can_be_trained_on(name: str, toy: str) -> None:
    data = TOYS[toy](num_train=5)
    loop = PlainLoop(name, {"batch_size": 1}, data)
    curves = loop.run(2)
    assert all(torch.tensor(value).isfinite() for terms in curves for value in terms.values())
    assert loop.predict(data.valid).isfinite().all()


@every_family
def test_two_workers_agree_with_one_on_terms_and_memories(name: str, toy: str) -> None:
    data = TOYS[toy](num_train=11)
    alone = built(name, data).eval()
    gang = [built(name, data).eval() for _ in range(2)]
    for epoch in (1, 2, 3):
        progress = Progress(epoch, 9)
        expected = alone.losses(data.train, progress)
        alone.after_backward(data.train, progress)
        found = train_on_two_workers(gang, data.train, epoch=epoch)
        for term, value in expected.items():
            first, second, mean = found[term]
            torch.testing.assert_close(mean, value.detach(), msg=term)
            if term in alone.coupled_terms:
                torch.testing.assert_close(first, second, rtol=0, atol=0, msg=term)
    for one in gang:
        torch.testing.assert_close(one.state_dict(), alone.state_dict())


@pytest.mark.parametrize("config", [{}, SEPARATE], ids=["as published", "nothing shared"])
@every_family
def test_a_batch_in_pieces_has_the_same_terms_and_gradients_where_a_method_says_so(
    name: str, toy: str, config: dict[str, Any]
) -> None:
    data = TOYS[toy](num_train=11)
    torch.manual_seed(0)
    known = methods.schema_of(name).model_fields
    settings = {key: value for key, value in config.items() if key in known}
    whole = methods.build(name, settings, data.task).eval()
    if whole.whole_batch_reason() is not None:
        assert not settings, "what examples share is off"
        return
    cut = deepcopy(whole)
    expected = whole.losses(data.train, Progress(2, 9))
    sum(expected.values()).backward()
    found = dict.fromkeys(expected, 0.0)
    for rows in torch.arange(11).split(4):
        terms = cut.losses(data.train.take(rows), Progress(2, 9))
        (sum(terms.values()) * len(rows) / 11).backward()
        found = {term: found[term] + value.item() * len(rows) / 11 for term, value in terms.items()}
    assert found == pytest.approx(
        {term: value.item() for term, value in expected.items()}, abs=1e-5
    )
    for one, other in zip(cut.parameters(), whole.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(dict(cut.named_buffers()), dict(whole.named_buffers()))


@every_method
def test_every_setting_is_documented(name: str) -> None:
    fields = methods.schema_of(name).model_fields
    assert [field for field, info in fields.items() if not info.description] == []


@every_method
def test_the_default_configuration_survives_being_written_and_read(name: str) -> None:
    schema = methods.schema_of(name)
    assert schema.model_validate(schema().model_dump()) == schema()


def test_an_unknown_method_is_answered_with_the_closest_one() -> None:
    with pytest.raises(
        StudyError, match=r"no method is called 'selfmei'\. Did you mean 'selfmi'\?"
    ):
        methods.find("selfmei")


def test_a_wrong_setting_is_named_with_its_value() -> None:
    with pytest.raises(StudyError, match=r"config.patience: .*greater than or equal to 0, got -1"):
        methods.build("selfmi", {"patience": -1}, TOYS["regression-3"]().task)


def test_asking_for_names_loads_no_torch() -> None:
    code = "import sys, mmsearch.methods as m; m.known(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


@every_family
def test_training_depends_on_the_number_of_epochs_only_where_a_method_says_so(
    name: str, toy: str
) -> None:
    loops = [PlainLoop(name, {}, TOYS[toy](), max_epochs=epochs) for epochs in (4, 40)]
    curves = [loop.run(4) for loop in loops]
    weights = [loop.method.state_dict() for loop in loops]
    alike = curves[0] == curves[1] and same(weights[0], weights[1])
    assert alike is not methods.find(name).plans_ahead
