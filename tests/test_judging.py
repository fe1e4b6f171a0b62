"""The weights of a trial's chosen epoch, evaluated long after the trial."""

from dataclasses import replace

import pytest
import torch
from toy_training import SEED, data, study, trainer

from mmsearch.errors import TrainingError
from mmsearch.training import Predictor, judge, num_weights, write_weights

CONFIG = {"dropout": 0.1, "learning_rate": 0.5}


@pytest.fixture
def saved(tmp_path, worker):
    """A checkpoint after six epochs, and what the best of them was."""
    with trainer(worker, CONFIG, max_epochs=6) as one:
        seen = one.advance(6)
        one.save(tmp_path / "epoch-0006")
    best = min(seen, key=lambda o: o.metrics["valid/mae"])
    assert best.epoch < 6, "the last epoch must not be the best"
    return tmp_path / "epoch-0006", best


def test_metrics_are_those_of_the_chosen_epoch_and_not_of_the_last(saved):
    folder, best = saved
    torch.manual_seed(99)
    found = judge(study(), CONFIG, seed=SEED, data=data(), folder=folder)
    expected = {k.removeprefix("valid/"): v for k, v in best.metrics.items() if "valid/" in k}
    assert found == pytest.approx(expected, rel=1e-6)


def test_weights_that_are_not_trained_are_drawn_by_the_trials_seed(saved):
    folder, best = saved
    other = replace(SEED, replicate=5)
    found = judge(study(), CONFIG, seed=other, data=data(), folder=folder)
    assert found["mae"] != pytest.approx(best.metrics["valid/mae"], rel=1e-6)


def test_an_export_predicts_as_they_do_with_what_was_never_trained(saved, tmp_path):
    folder, best = saved
    (tmp_path / "export").mkdir()
    trained = replace(study(), published=CONFIG)
    write_weights(trained, seed=SEED, data=data(), checkpoint=folder, folder=tmp_path / "export")
    valid = data().valid
    inputs = {name: value.numpy() for name, value in valid.inputs.items()}
    lengths = {name: value.numpy() for name, value in valid.lengths.items()}
    predicted = Predictor.load(tmp_path / "export").predict(inputs, lengths)
    target = data().task.transform.decode(valid.target).numpy()
    assert abs(predicted - target).mean() == pytest.approx(best.metrics["valid/mae"], rel=1e-6)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        pytest.param(lambda path: path.unlink(), "cannot be read", id="gone"),
        pytest.param(lambda path: path.write_bytes(b"PK"), "cannot be read", id="damaged"),
        pytest.param(
            lambda path: torch.save({"head.weight": torch.zeros(1, 6)}, path),
            "of another configuration",
            id="not all of them",
        ),
        pytest.param(
            lambda path: torch.save({**torch.load(path), "head.weight": torch.zeros(1, 7)}, path),
            "of another configuration",
            id="of another width",
        ),
        pytest.param(
            lambda path: torch.save({**torch.load(path), "more": torch.zeros(1)}, path),
            "of another configuration: .*more",
            id="more than there are",
        ),
    ],
)
def test_weights_that_are_not_the_trials_are_refused(saved, harm, words):
    folder, _ = saved
    harm(folder / "best.pt")
    with pytest.raises(TrainingError, match=words):
        judge(study(), CONFIG, seed=SEED, data=data(), folder=folder)


def test_trained_weights_are_counted_and_fixed_ones_are_not():
    body, head, scale = 5 * 6 + 6, 6 + 1, 1
    assert num_weights(study(), CONFIG, data()) == body + head + scale
