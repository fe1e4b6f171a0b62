"""An epoch through `training` (DeepSpeed, stage 0) against a plain PyTorch loop of the same model.

    python benchmarks/step_cost.py --repeats 15

Self-MI on the embedded `mosei922`, M3CoL on the embedded `mfeat`; published configurations, one
process, one thread. Both train the same batches from the same weights with the same arithmetic
(Adam, same groups), which is checked: the losses of every epoch must agree. Epochs alternate, so
what else the machine does falls on both; the ratio is that of the medians. Evaluation is left out
of both.
"""

import argparse
import tempfile
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch

from mmsearch import datasets, methods
from mmsearch import study as studies
from mmsearch.methods.base import Progress
from mmsearch.seeds import Seed
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, join, place
from mmsearch.training.optimizer import trained_groups


def plain_epochs(study: Study, data: Any, seed: Seed) -> Iterator[tuple[float, float]]:
    """Seconds and mean loss of each epoch of a loop that a user would write."""
    torch.manual_seed(seed.stream("weights"))
    method = methods.build(study.method, study.published, data.task)
    config = method.config
    tables = [
        {"params": list(g.parameters), "lr": g.learning_rate, "weight_decay": g.weight_decay}
        for g in trained_groups(method)
    ]
    optimizer = torch.optim.Adam(tables, fused=True)
    train, epoch = data.train, 0
    while True:
        epoch += 1
        started = perf_counter()
        torch.manual_seed(seed.stream(f"noise/{epoch}/0"))
        generator = torch.Generator().manual_seed(seed.stream(f"order/{epoch}"))
        order = torch.randperm(len(train), generator=generator).split(config.batch_size)
        method.train()
        total, rows_seen = torch.zeros(()), 0
        for index, rows in enumerate(order, 1):
            batch = train.take(rows)
            progress = Progress(epoch, study.budget.max_epochs)
            loss = torch.stack(list(method.losses(batch, progress).values())).sum()
            loss.backward()
            with torch.no_grad():
                method.after_backward(batch, progress)
            total += loss.detach() * len(rows)
            rows_seen += len(rows)
            if index % config.accumulation == 0 or index == len(order):
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    method.after_step()
        mean = float(total / rows_seen)
        yield perf_counter() - started, mean


def our_epochs(study: Study, data: Any, seed: Seed) -> Iterator[tuple[float, float]]:
    """The same through `training`'s epochs."""
    trainer = Trainer(study, data, study.published, seed=seed, worker=Worker())
    epoch = 0
    while True:
        epoch += 1
        started = perf_counter()
        curves = trainer._epochs.run(epoch)  # noqa: SLF001  without evaluation
        yield perf_counter() - started, curves["train/loss"]


def main() -> None:
    """Prints a row a study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=["selfmi", "m3col"])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    asked = parser.parse_args()
    changes = {f"published.{k}": int(v) for k, v in (pair.split("=") for pair in asked.set)}
    with tempfile.TemporaryDirectory() as folder:
        join(Worker(), init_method=f"file://{folder}/meeting")
        print("| study | batches an epoch | plain, ms a batch | ours, ms a batch | ratio |")
        print("|---|---|---|---|---|")
        for name in asked.studies:
            study = studies.load(studies.find(name), schema_of=methods.schema_of, overrides=changes)
            data = place(datasets.load(study.dataset, folder=study.data), Worker())
            seed = Seed(study.seed, 0)
            pair = (plain_epochs(study, data, seed), our_epochs(study, data, seed))
            seconds = []
            for _ in range(asked.repeats + 1):
                (plain_s, plain), (our_s, ours) = (next(epochs) for epochs in pair)
                assert abs(plain - ours) < 1e-4 * max(1.0, abs(plain)), (plain, ours)
                seconds.append((plain_s, our_s))
            batches = -(-len(data.train) // int(study.published["batch_size"]))
            plain_s, our_s = np.median(seconds[1:], axis=0)
            cells = f"{plain_s / batches * 1e3:.2f} | {our_s / batches * 1e3:.2f}"
            print(f"| {name} | {batches} | {cells} | {our_s / plain_s:.3f} |", flush=True)


if __name__ == "__main__":
    main()
