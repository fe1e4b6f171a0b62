"""One sitting at a study: check everything, search, leave the files, say what was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mmsearch import datasets, methods, metrics, provenance, sampling, training
from mmsearch import study as studies
from mmsearch.cluster.search import Site, search
from mmsearch.curves import Curves
from mmsearch.datasets import SearchData
from mmsearch.errors import ConflictError, Problem, StudyError
from mmsearch.study import Study
from mmsearch.trial import Record
from mmsearch.tune.files import Files
from mmsearch.tune.options import Request
from mmsearch.tune.quiet import engines_to
from mmsearch.tune.talk import closing, opening, plan
from mmsearch.tune.view import View


@dataclass(frozen=True)
class Place:
    """Where a study lies."""

    folder: Path
    storage: str

    @classmethod
    def of(cls, request: Request, name: str) -> "Place":
        """`OUT/NAME`, made absolute; the record in it unless the user names another storage.

        Raises:
            StudyError: the name would lie elsewhere than in `OUT`.
        """
        if name in {"", ".", ".."} or Path(name).name != name:
            raise StudyError(
                Problem("--name", f"must be the name of a folder, got {name!r}", "Leave out any /.")
            )
        folder = (request.out / name).resolve()
        return cls(folder, request.storage or f"journal://{folder / 'study.journal'}")


def run(request: Request) -> bool:
    """Runs one sitting; returns whether every trial of the budget has its ending.

    Raises:
        MmsearchError: a mistake of the user; nothing was started and nothing written over.
    """
    name = request.name or Path(request.study).stem
    place = Place.of(request, name)
    study = _recorded(request, place) if request.resume else _asked(request, {})
    config = methods.schema_of(study.method).model_validate(dict(study.published))
    training.check(study, config)
    data = datasets.load(study.dataset, folder=study.data)
    training.check(study, config, task=data.task)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(*opening(study, data), sep="\n")
    if request.dry_run:
        Console().print(plan(study))
        return True
    return _search(request, study, place, data)


def _asked(request: Request, recorded: Mapping[str, Any]) -> Study:
    return studies.load(
        studies.find(request.study),
        schema_of=methods.schema_of,
        overrides={**recorded, **request.overrides},
        name=request.name,
    )


def _recorded(request: Request, place: Place) -> Study:
    """The study on record, if what is asked for now does not contradict it.

    Overrides of the first sitting need not be said again; its file may have gone.
    """
    record = sampling.read(place.storage)
    first = record.provenance.get("overrides", {})
    on_record = studies.loads(
        record.study_text, place="the record", schema_of=methods.schema_of, name=record.name
    )
    try:
        asked = _asked(request, first)
    except StudyError:
        if Path(request.study).suffix or request.overrides:
            raise
        return on_record
    differences = studies.difference(on_record, asked)
    if differences:
        raise ConflictError(
            Problem(
                f"study {record.name!r} at {place.folder}",
                "what is asked for is not what is on record: " + "; ".join(differences),
                "Leave out what differs to go on with it, or start another study with --name.",
            )
        )
    return asked


def _search(request: Request, study: Study, place: Place, data: SearchData) -> bool:
    facts = provenance.collect(data.fingerprint) | {"overrides": request.overrides}
    with (
        sampling.open_ledger(
            place.storage, study, provenance=facts, resume=request.resume
        ) as ledger,
        engines_to(place.folder / "logs" / "driver.log") as terminal,
    ):
        console = Console(file=terminal)
        files = Files(place.folder, study, ledger.record)
        names = [f"valid/{name}" for name in metrics.names(data.task.metrics)]
        curves = Curves(place.folder / "tensorboard", study, metrics=names)
        curves.catch_up(ledger.record())
        with View(console, study, ledger.record) as view:
            try:
                reason = search(
                    ledger,
                    data,
                    site=Site(place.folder, request.address),
                    listeners=(curves, files, view),
                )
            finally:
                files.write()
        record = ledger.record()
    _say_goodbye(record, study, place, reason)
    return reason is None


def _say_goodbye(record: Record, study: Study, place: Place, reason: str | None) -> None:
    lines = closing(record, study, folder=place.folder, storage=place.storage, reason=reason)
    Console(markup=False, highlight=False, soft_wrap=True).print(*lines, sep="\n")
