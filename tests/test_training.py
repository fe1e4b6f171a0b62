"""The training room on one worker: against a plain PyTorch loop, and its own promises."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import toy_training as toy
from plain_loop import PlainLoop

from mmsearch import metrics
from mmsearch.errors import TrainingError
from mmsearch.training import Diverged, Trainer, Worker, ending_of, evaluation, train
from mmsearch.trial import Completed, Ending, Failed, Observation, Stopped, Verdict

EPOCHS = 3
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "accumulation": {"accumulation": 4},
    "tail dropped": {"accumulation": 4, "accumulation_tail": "drop"},
    "clipping": {"gradient_clipping": 0.1},
    "weight decay": {"weight_decay": 0.1},
    "dropout": {"dropout": 0.3},
    "phases": {"phases": "two"},
    "a phase over half of the batches": {"phases": "two", "share": 0.5, "accumulation": 2},
    "weights written after a step": {"shrink": "every step"},
    "weights written after a step, tail dropped": {
        "shrink": "every step",
        "accumulation": 4,
        "accumulation_tail": "drop",
    },
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with toy.alone(tmp_path_factory.mktemp("gang")) as one:
        yield one


def curve(worker: Worker, config: dict[str, Any], **changes: Any) -> list[dict[str, float]]:
    with toy.trainer(worker, config, **changes) as trainer:
        return toy.curve(trainer.advance(EPOCHS))


def close(left: list[dict[str, float]], right: list[dict[str, float]], tolerance: float) -> None:
    for one, other in zip(left, right, strict=True):
        for name in one.keys() & other.keys():
            assert one[name] == pytest.approx(other[name], abs=tolerance, rel=tolerance), name


@pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS.keys())
def test_stage_0_trains_as_a_plain_loop_does(worker: Worker, config: dict[str, Any]) -> None:
    plain = PlainLoop("toy", config, toy.data(), seed=toy.SEED, max_epochs=EPOCHS)
    expected = []
    for _ in range(EPOCHS):
        (terms,) = plain.run(1)
        prediction, target = plain.predict(plain.data.valid), plain.data.valid.target
        decode = plain.data.task.transform.decode
        values = metrics.measure("mosi", decode(prediction), decode(target))
        expected.append(
            {f"train/{name}": value for name, value in terms.items()}
            | {"train/loss": sum(terms.values()), "valid/mae": values["mae"]}
        )
    found = curve(worker, config)
    assert expected[0].keys() <= found[0].keys()
    close(expected, found, 1e-6)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "config",
    [SETTINGS["dropout"], {**SETTINGS["tail dropped"], "gradient_clipping": 0.5}],
    ids=["dropout", "tail dropped and clipping"],
)
def test_higher_stages_train_as_stage_0_does(
    worker: Worker, number: int, config: dict[str, Any]
) -> None:
    close(curve(worker, config), curve(worker, config, deepspeed=toy.stage(number)), 1e-6)


def test_the_optimiser_may_live_on_the_cpu(worker: Worker) -> None:
    table = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}
    close(curve(worker, {}), curve(worker, {}, deepspeed=table), 1e-6)


@pytest.mark.parametrize(
    "table",
    [
        *(toy.stage(number, bf16={"enabled": True}) for number in (1, 2, 3)),
        *(
            toy.stage(number, torch_autocast={"enabled": True, "dtype": "bfloat16"})
            for number in (0, 1, 2, 3)
        ),
    ],
    ids=[f"bf16 {n}" for n in (1, 2, 3)] + [f"autocast {n}" for n in (0, 1, 2, 3)],
)
def test_half_precision_stays_near_full_precision(worker: Worker, table: dict[str, Any]) -> None:
    config = {"accumulation": 2, "gradient_clipping": 0.5, "weight_decay": 0.1}
    close(curve(worker, config), curve(worker, config, deepspeed=table), 0.01)


def test_half_precision_at_stage_0_is_refused(worker: Worker) -> None:
    study = toy.study(deepspeed={"bf16": {"enabled": True}})
    with pytest.raises(TrainingError, match="half precision needs ZeRO stage 1 or higher"):
        Trainer(study, toy.data(), {}, seed=toy.SEED, worker=worker)


def test_memories_stay_in_full_precision(worker: Worker) -> None:
    with toy.trainer(worker, {}, deepspeed=toy.stage(1, bf16={"enabled": True})) as trainer:
        trainer.advance(1)
        method = trainer._engines.method
        assert method.head.weight.dtype == torch.bfloat16
        assert method.memory.dtype == torch.float32
        assert method.visits.tolist() == [1] * toy.TRAIN


def test_a_fixed_weight_is_not_trained(worker: Worker) -> None:
    with toy.trainer(worker, {"weight_decay": 0.5}) as trainer:
        before = trainer._engines.method.frozen.weight.clone()
        trainer.advance(1)
        assert trainer._engines.method.frozen.weight.equal(before)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_the_gradient_norm_is_that_of_the_summed_gradients(worker: Worker, number: int) -> None:
    config = {"accumulation": 100, "gradient_clipping": 0.01}
    plain = PlainLoop("toy", config, toy.data(), seed=toy.SEED)
    norms: list[float] = []
    (optimizer,) = plain._optimizers.values()
    plain.method.config = plain.method.config.model_validate(
        {**plain.method.config.model_dump(), "gradient_clipping": 0.0}
    )
    optimizer.register_step_pre_hook(
        lambda own, *_: norms.append(
            torch.stack([p.grad.norm() for g in own.param_groups for p in g["params"]])
            .norm()
            .item()
        )
    )
    plain.run(1)
    found = curve(worker, config, deepspeed=toy.stage(number))[0]["train/gradient_norm"]
    assert found == pytest.approx(norms[0], rel=1e-5)


def test_the_same_seed_gives_the_same_curve_bit_for_bit(worker: Worker) -> None:
    config = {"dropout": 0.3}
    first = curve(worker, config)
    torch.rand(7)
    assert curve(worker, config) == first


def test_an_observation_names_terms_rates_and_metrics(worker: Worker) -> None:
    with toy.trainer(worker, {"learning_rate": 0.02}) as trainer:
        first, second = trainer.advance(2)
    values = first.metrics
    assert (first.epoch, second.epoch) == (1, 2)
    assert values["train/loss"] == values["train/l1"] + values["train/contrast"]
    assert (values["train/lr/body"], values["train/lr/head"]) == (0.02, 0.01)
    assert {f"valid/{name}" for name in metrics.names("mosi")} <= values.keys()
    assert values["train/samples_per_second"] > 0
    assert first.train_seconds > 0
    assert all(isfinite(value) for value in values.values())


def test_evaluation_does_not_depend_on_how_many_rows_go_at_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = curve(worker, {})
    monkeypatch.setattr(evaluation, "ROWS", 4)
    close(at_once, curve(worker, {}), 1e-6)


def test_a_loss_that_is_nan_ends_the_trial_with_what_was_seen_before(worker: Worker) -> None:
    with (
        toy.trainer(worker, {"diverges_in": 3}) as trainer,
        pytest.raises(Diverged, match="train/loss is not finite after epoch 3") as caught,
    ):
        trainer.advance(3)
    assert [observation.epoch for observation in caught.value.observations] == [1, 2]
    assert ending_of(caught.value) == Failed("nan", "train/loss is not finite after epoch 3")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "oom"),
        (MemoryError(), "oom"),
        (RuntimeError("cuDNN error: out of memory"), "oom"),
        (RuntimeError("shapes do not match"), "error"),
        (ValueError("out of memory of what happened"), "error"),
    ],
    ids=["gpu", "python", "library", "shapes", "not a RuntimeError"],
)
def test_an_exception_is_an_ending(error: Exception, reason: str) -> None:
    ending = ending_of(error)
    assert ending.reason == reason
    assert type(error).__name__ in ending.message


def test_patience_ends_a_trial_before_its_last_epoch(worker: Worker) -> None:
    config = {"patience": 2, "learning_rate": 1e-12}
    changes = {"max_epochs": 9, "metric": "valid/acc_7"}
    with toy.trainer(worker, config, **changes) as trainer:
        assert [observation.epoch for observation in trainer.advance(9)] == [1, 2, 3]
        assert trainer.finished
        assert trainer.advance(9) == []


def test_every_batch_of_training_and_evaluation_is_a_sign_of_life(worker: Worker) -> None:
    signs: list[None] = []
    with toy.trainer(replace(worker, pulse=lambda: signs.append(None)), {}) as trainer:
        trainer.advance(2)
    assert len(signs) == 2 * (ceil(toy.TRAIN / 8) + 1)


def test_training_goes_no_further_than_it_is_told(worker: Worker) -> None:
    with toy.trainer(worker, {}, max_epochs=3) as trainer:
        trainer.advance(2)
        assert (trainer.epoch, trainer.finished) == (2, False)
        trainer.advance(7)
        assert (trainer.epoch, trainer.finished) == (3, True)


def test_phases_refuse_a_higher_stage(worker: Worker) -> None:
    with pytest.raises(TrainingError, match="several phases, which needs ZeRO stage 0"):
        Trainer(
            toy.study(deepspeed=toy.stage(1)),
            toy.data(),
            {"phases": "two"},
            seed=toy.SEED,
            worker=worker,
        )


def test_float16_on_a_cpu_is_refused(worker: Worker) -> None:
    study = toy.study(deepspeed=toy.stage(1, fp16={"enabled": True}))
    with pytest.raises(TrainingError, match="float16 needs a GPU"):
        Trainer(study, toy.data(), {}, seed=toy.SEED, worker=worker)


def test_an_unknown_metric_is_refused_with_the_closest_one(worker: Worker) -> None:
    study = toy.study(metric="valid/mea")
    with pytest.raises(
        TrainingError, match=r"no such metric, got 'valid/mea'. Did you mean 'valid/mae'"
    ):
        Trainer(study, toy.data(), {}, seed=toy.SEED, worker=worker)


@pytest.mark.parametrize("number", [0, 3])
def test_a_warm_worker_holds_nothing_of_the_trials_before(worker: Worker, number: int) -> None:
    def one_trial() -> weakref.ref[torch.nn.Module]:
        with toy.trainer(worker, {}, deepspeed=toy.stage(number)) as trainer:
            trainer.advance(1)
            return weakref.ref(trainer._engines.learner)

    process, linear = psutil.Process(), torch.nn.functional.linear
    one_trial()
    before = process.num_fds(), process.num_threads()
    seen = [one_trial() for _ in range(20)]
    gc.collect()
    assert (process.num_fds(), process.num_threads()) == before
    assert not [reference for reference in seen if reference() is not None]
    assert torch.nn.functional.linear is linear


@pytest.mark.parametrize(
    ("config", "stop_at", "ending", "epochs"),
    [
        ({}, 0, Completed(), [1, 2, 3]),
        ({}, 2, Stopped(2), [1, 2]),
        ({"diverges_in": 2}, 0, Failed("nan", "train/loss is not finite after epoch 2"), [1]),
    ],
    ids=["completed", "stopped", "failed"],
)
def test_training_with_no_cluster_reports_and_ends(
    worker: Worker, config: dict[str, Any], stop_at: int, ending: Ending, epochs: list[int]
) -> None:
    seen: list[Observation] = []

    def report(observation: Observation) -> Verdict:
        seen.append(observation)
        return Verdict.STOP if observation.epoch == stop_at else Verdict.CONTINUE

    found = train(toy.study(), config, seed=toy.SEED, data=toy.data(), report=report)
    assert found == ending
    assert [observation.epoch for observation in seen] == epochs


def test_running_out_of_memory_is_told_apart(worker: Worker) -> None:
    ending = train(
        toy.study(),
        {"runs_out_in": 1},
        seed=toy.SEED,
        data=toy.data(),
        report=lambda _: Verdict.CONTINUE,
    )
    assert isinstance(ending, Failed)
    assert ending.reason == "oom"


def test_a_folder_gets_a_checkpoint_at_the_end(worker: Worker, tmp_path: Path) -> None:
    train(
        toy.study(),
        {},
        seed=toy.SEED,
        data=toy.data(),
        report=lambda _: Verdict.CONTINUE,
        folder=tmp_path / "end",
    )
    with toy.trainer(worker, {}) as trainer:
        trainer.load(tmp_path / "end")
        assert trainer.finished
