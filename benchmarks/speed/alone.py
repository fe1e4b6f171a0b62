"""Trials trained one after the other by processes that do nothing else: what training alone takes.

    python -m speed.alone STUDY TRIALS WORKERS GANGS EPOCHS

Prints a JSON object: seconds of epochs, and of building and closing, by trial.
Unusual: as many gangs as asked for train at the same time, since cores share memory and clock.
"""

import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch.multiprocessing as mp
from make_tables import proposals

from mmsearch import datasets, methods
from mmsearch import study as studies
from mmsearch.study import Study
from mmsearch.training import Trainer, Worker, join, place
from mmsearch.training.worker import leave


def loaded(path: str, epochs: int) -> Study:
    """A study file, with another full fidelity."""
    overrides = {"budget.max_epochs": epochs}
    return studies.load(Path(path), schema_of=methods.schema_of, overrides=overrides)


def _train(process: int, asked: list[int], path: str, folder: str) -> None:
    number, workers, gangs, epochs = asked
    gang, rank = divmod(process, workers)
    study = loaded(path, epochs)
    worker = Worker(rank=rank, world_size=workers)
    join(worker, init_method=f"file://{folder}/meeting-{gang}")
    data = place(datasets.load(study.dataset, folder=study.data), worker)
    epochs_s, around_s = [], []
    for trial in proposals(study, number)[gang::gangs]:
        started = perf_counter()
        trainer = Trainer(study, data, trial.config, seed=trial.seed, worker=worker)
        built = perf_counter()
        seen = trainer.advance(study.budget.max_epochs)
        trained = perf_counter()
        trainer.close()
        epochs_s.append(sum(one.train_seconds for one in seen))
        around_s.append(built - started + perf_counter() - trained)
    leave()
    if rank == 0:
        found = {"epochs_s": epochs_s, "around_s": around_s}
        Path(folder, f"found-{gang}.json").write_text(json.dumps(found))


def main() -> None:
    path, *asked = sys.argv[1], *(int(value) for value in sys.argv[2:6])
    _, workers, gangs, _ = asked
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_train, (asked, path, folder), nprocs=workers * gangs)
        found = [
            json.loads(Path(folder, f"found-{gang}.json").read_text()) for gang in range(gangs)
        ]
    print(json.dumps({key: [s for one in found for s in one[key]] for key in found[0]}))


if __name__ == "__main__":
    main()
