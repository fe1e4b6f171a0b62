"""M3CoL in its form for images and text: embeddings of networks, mixing of what they read."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from toy_m3col import MAX_EPOCHS, ROWS, built, tell
from toys import toy_data, train_on_two_workers

from mmsearch import methods
from mmsearch.batch import Batch
from mmsearch.errors import StudyError
from mmsearch.methods.base import Progress
from mmsearch.methods.m3col import M3CoL

NAMES = ("text", "vision")
WIDTH, SIDE = 6, 2
FORM = {"encoder": "none", "classifier_layers": 3, "hidden": 7, "text_rate": 0.5}


def method(**config: object) -> M3CoL:
    torch.manual_seed(0)
    task = toy_data(NAMES, steps=1, classes=3).task
    made = methods.build(
        "m3col", {**FORM, **config}, replace(task, modalities=dict.fromkeys(NAMES, WIDTH))
    )
    assert isinstance(made, M3CoL)
    return made


def raw_batch() -> Batch:
    """Tokens and images, as networks that learn along read them."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 5, (ROWS,), generator=generator)
    return Batch(
        inputs={
            "text": torch.randint(1, 9, (ROWS, 4), generator=generator, dtype=torch.int32),
            "vision": torch.randint(
                0, 256, (ROWS, 1, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8
            ),
        },
        lengths={"text": lengths, "vision": torch.ones(ROWS, dtype=torch.int64)},
        target=torch.arange(ROWS) % 3,
        rows=torch.arange(ROWS),
    )


def look(shape: Callable[[Tensor], Tensor] = lambda value: value) -> Callable[[Batch], Batch]:
    """Networks with fixed weights; what they give of an image passes `shape`."""
    generator = torch.Generator().manual_seed(2)
    table = torch.randn(9, WIDTH, generator=generator)
    matrix = torch.randn(3 * SIDE * SIDE, WIDTH, generator=generator) / 255

    def networks(batch: Batch) -> Batch:
        inputs = dict(batch.inputs)
        if "text" in inputs:
            inputs["text"] = table[inputs["text"][:, :1].long()]
        inputs["vision"] = shape(inputs["vision"].float().flatten(2) @ matrix)
        return replace(
            batch, inputs=inputs, lengths=dict.fromkeys(inputs, torch.ones(len(batch)).long())
        )

    return networks


def m3co_of(made: M3CoL, networks: Callable[[Batch], Batch]) -> float:
    raw = raw_batch()
    progress = Progress(1, MAX_EPOCHS, raw=raw, look=networks)
    return float(made.losses(networks(raw), progress)["m3co"].detach())


def test_embeddings_are_what_the_networks_give():
    made = method().eval()
    seen = look()(raw_batch())
    fused = torch.cat([seen.inputs[name][:, 0] for name in NAMES], dim=1)
    hidden = fused
    linears = [m for m in made.classifier if isinstance(m, torch.nn.Linear)]
    for layer in linears[:-1]:
        hidden = torch.relu(hidden @ layer.weight.T + layer.bias)
    expected = hidden @ linears[-1].weight.T + linears[-1].bias
    torch.testing.assert_close(made(seen), expected)


def test_classifiers_have_three_layers_as_wide_as_told():
    made = method()
    shapes = [tuple(m.weight.shape) for m in made.classifier if isinstance(m, torch.nn.Linear)]
    assert shapes == [(7, 2 * WIDTH), (7, 7), (3, 7)]
    assert not list(made.encoders.parameters())


def test_the_classifier_of_text_learns_at_its_share_of_the_rate():
    made = method(learning_rate=1e-3)
    groups = {group.name: group for group in made.parameter_groups()}
    assert groups.keys() == {"all", "text"}
    assert groups["text"].learning_rate == pytest.approx(5e-4)
    own = {id(p) for p in made.unimodal["text"].parameters()}
    assert {id(p) for p in groups["text"].parameters} == own
    assert [group.name for group in method(text_rate=1.0).parameter_groups()] == ["all"]


def test_modalities_of_different_widths_cannot_be_contrasted_as_they_are():
    task = toy_data(NAMES, steps=1, classes=3).task
    with pytest.raises(
        StudyError, match=r'needs modalities of one width.*text 12, vision 9.*"mlp"'
    ):
        methods.build("m3col", FORM, task)
    methods.build("m3col", {**FORM, "contrast_weight": 0.0}, task)


def test_images_are_mixed_before_their_network_and_text_behind_it(
    monkeypatch: pytest.MonkeyPatch,
):
    tell(monkeypatch)
    early, late = method(mix_level="input"), method(mix_level="embedding")
    # A linear network gives of a mixed image the mixed embedding; any other does not.
    assert m3co_of(early, look()) == pytest.approx(m3co_of(late, look()), rel=1e-5)
    bent = look(torch.square)
    assert m3co_of(early, bent) != pytest.approx(m3co_of(late, bent), rel=1e-4)


def test_features_that_no_network_gives_are_mixed_as_vectors(monkeypatch: pytest.MonkeyPatch):
    tell(monkeypatch)
    seen = look()(raw_batch())
    progress = Progress(1, MAX_EPOCHS)
    early, late = (
        method(mix_level=level).losses(seen, progress)["m3co"] for level in ("input", "embedding")
    )
    torch.testing.assert_close(early, late)


def test_a_mixed_sound_is_as_long_as_the_longer_one(monkeypatch: pytest.MonkeyPatch):
    tell(monkeypatch)
    heard: list[Batch] = []
    lengths = torch.arange(1, ROWS + 1)
    sounds = torch.ones(ROWS, ROWS) * (torch.arange(ROWS) < lengths[:, None])

    def networks(batch: Batch) -> Batch:
        heard.append(batch)
        means = batch.inputs["audio"].sum(1) / batch.lengths["audio"]
        features = means[:, None, None].expand(-1, 1, WIDTH)
        one = torch.ones(len(batch)).long()
        inputs = {"text": torch.ones(len(batch), 1, WIDTH), "audio": features}
        return replace(batch, inputs=inputs, lengths=dict.fromkeys(inputs, one))

    task = toy_data(("text", "audio"), steps=1, classes=3).task
    sizes = {"text": WIDTH, "audio": WIDTH}
    made = methods.build("m3col", {**FORM, "mix_level": "input"}, replace(task, modalities=sizes))
    raw = replace(raw_batch(), inputs={"audio": sounds}, lengths={"audio": lengths})
    raw = replace(raw, inputs={**raw.inputs, "text": torch.ones(ROWS, 1, dtype=torch.int32)})
    made.losses(networks(raw), Progress(1, MAX_EPOCHS, raw=raw, look=networks))
    mixed = heard[-1]
    assert set(mixed.inputs) == {"audio"}
    reach = (mixed.inputs["audio"] > 0).sum(1)
    assert torch.equal(mixed.lengths["audio"], torch.maximum(reach, lengths))
    assert (mixed.lengths["audio"] > lengths).any()


def test_two_workers_mix_images_as_one(monkeypatch: pytest.MonkeyPatch):
    tell(monkeypatch)
    networks, raw = look(torch.square), raw_batch()
    gang = [method(mix_level="input").eval() for _ in range(2)]
    expected = m3co_of(gang[0], networks)

    class Looking(M3CoL):
        def losses(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
            own = replace(progress, raw=batch, look=networks)
            return super().losses(networks(batch), own)

    for one in gang:
        one.__class__ = Looking
    first, second, _ = train_on_two_workers(gang, raw, epoch=1)["m3co"]
    assert float(first) == float(second) == pytest.approx(expected, rel=1e-5)


def test_the_form_for_omics_is_as_it_was():
    assert [tuple(p.shape) for p in built().classifier.parameters()] == [
        (7, 36),
        (7,),
        (3, 7),
        (3,),
    ]
