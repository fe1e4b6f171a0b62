"""The documented pattern: a Tune trial that starts a Ray Train TorchTrainer with DeepSpeed.

    python -m speed.stock STUDY TRIALS WORKERS GANGS EPOCHS

As in Ray's guide "Hyperparameter Tuning with Ray Tune". The training function is mmsearch's own
`training.Trainer`, which reports each epoch; configurations and seeds are those of the study.
Prints a JSON object: seconds of epochs by trial, and from the first trial's start to the end.
"""

import json
import os
import sys
import tempfile
from time import perf_counter
from typing import Any

import ray
from ray import train, tune
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback


def train_per_worker(config: dict[str, Any]) -> None:
    """What each worker of a trial does."""
    import deepspeed
    import torch
    from deepspeed.ops import __compatible_ops__
    from make_tables import proposals

    from mmsearch import datasets
    from mmsearch.training import Trainer, Worker, place
    from speed.alone import loaded

    torch.set_num_threads(1)
    os.environ["DS_ACCELERATOR"] = "cpu"
    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False, verbose=False)
    context = train.get_context()
    worker = Worker(rank=context.get_world_rank(), world_size=context.get_world_size())
    study = loaded(config["study"], config["epochs"])
    trial = proposals(study, config["number"] + 1)[-1]
    data = place(datasets.load(study.dataset, folder=study.data), worker)
    trainer = Trainer(study, data, trial.config, seed=trial.seed, worker=worker)
    spent = 0.0
    while not trainer.finished:
        (seen,) = trainer.advance(trainer.epoch + 1)
        spent += seen.train_seconds
        train.report({**seen.metrics, "spent": spent})


def main() -> None:
    study, number, workers, gangs, epochs = sys.argv[1], *(int(v) for v in sys.argv[2:6])

    with tempfile.TemporaryDirectory() as folder:

        def train_driver(config: dict[str, Any]) -> None:
            TorchTrainer(
                train_per_worker,
                train_loop_config=config["train_loop_config"],
                scaling_config=ScalingConfig(num_workers=workers),
                run_config=RunConfig(
                    name=f"trial-{config['train_loop_config']['number']}",
                    storage_path=folder,
                    callbacks=[TuneReportCallback()],
                ),
            ).fit()

        # A core more than there are, or the drivers of trials would take those of their workers.
        cpus = workers * gangs + 1
        ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=cpus)
        started = perf_counter()
        numbers = tune.grid_search([*range(number)])
        space = {"train_loop_config": {"study": study, "epochs": epochs, "number": numbers}}
        tuner = tune.Tuner(
            tune.with_resources(train_driver, {"cpu": 0.01}),
            param_space=space,
            tune_config=tune.TuneConfig(max_concurrent_trials=gangs),
            run_config=tune.RunConfig(storage_path=folder, name="stock", verbose=0),
        )
        results = tuner.fit()
        wall_s = perf_counter() - started
        spent = [result.metrics["spent"] for result in results]
    print(json.dumps({"epochs_s": spent, "wall_s": wall_s}))


if __name__ == "__main__":
    main()
