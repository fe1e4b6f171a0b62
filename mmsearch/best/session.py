"""One sitting at a race: check everything, train what is missing, say and write what was chosen."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from mmsearch import methods, metrics, provenance, sampling, training
from mmsearch import study as studies
from mmsearch.best.asking import Asked, Request
from mmsearch.best.follower import Follower
from mmsearch.best.talk import closing, opening
from mmsearch.cluster.checkpoints import Shelf
from mmsearch.cluster.features import compute, planned
from mmsearch.cluster.quiet import Quiet, engines_hushed
from mmsearch.cluster.search import Site, joined, search
from mmsearch.cluster.troubles import Troubles
from mmsearch.curves import Curves
from mmsearch.report import page, write_best_toml, write_page, write_trials_csv
from mmsearch.sampling import Ledger
from mmsearch.selection.choice import Choice, choose
from mmsearch.selection.contest import Contest, Racing
from mmsearch.selection.files import NAME, write_selection
from mmsearch.selection.receipts import Opening, Receipts
from mmsearch.selection.told import told
from mmsearch.study import Study
from mmsearch.trial import Record


@dataclass(frozen=True)
class Outcome:
    """What a race that is over came to."""

    choice: Choice
    openings: tuple[Opening, ...]
    """Every opening of test on record."""
    written: Path
    """File of the choice."""


def run(request: Request, asked: Asked) -> bool:
    """Runs one sitting; returns whether the race is over.

    Raises:
        MmsearchError: a mistake of the user; nothing was trained and nothing written.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    contest, troubles = race(request, asked, console)
    if contest is None:
        return False
    found = settle(request, asked, contest)
    refresh(asked)
    told = closing(found.choice, found.openings, found.written)
    console.print(*troubles, *told, sep="\n")
    return True


def race(
    request: Request, asked: Asked, console: Console
) -> tuple[Contest | None, tuple[str, ...]]:
    """Trains what is missing; the race that is over, None where it ended early, and what failed.

    Raises:
        MmsearchError: as `run`.
    """
    contest = asked.contest(asked.race)
    study = _bounded(asked.study, contest)
    reason, troubles = None, ()
    console.print(*opening(study, contest), sep="\n")
    if contest.is_open:
        record, reason, troubles = _sit(request, replace(asked, study=study))
        contest = asked.contest(record)
    if reason:
        console.print(f"  ended early: {reason}. Go on with the same command")
        return None, troubles
    return contest, troubles


def settle(request: Request, asked: Asked, contest: Contest) -> Outcome:
    """Chooses, opens test if that is asked for, and writes what was chosen; trains nothing.

    Raises:
        SelectionError: nothing can be chosen, or test stays sealed.
    """
    weights = _weights(asked, contest) if request.simplest else None
    choice = choose(contest, weights=weights)
    receipts = Receipts(asked.folder)
    if request.open_test:
        from mmsearch.selection.opening import open_test

        open_test(choice, asked.study, receipts, place=asked.place)
    written = asked.folder / NAME
    write_selection(choice, receipts.openings, written)
    return Outcome(choice, receipts.openings, written)


def refresh(asked: Asked) -> None:
    """Writes the search's card and page anew, with what the race and test have said.

    Raises:
        OSError: a file cannot be written.
    """
    study = methods.study_of(asked.search)
    found = told(asked.folder)
    write_best_toml(asked.search, study, asked.folder / "best.toml", more=found)
    write_page(asked.search, study, asked.folder / page.NAME, race=found)


def _bounded(study: Study, contest: Contest) -> Study:
    """With as many trials as the race could come to: its end is the race's to say."""
    return studies.loads(
        study.text,
        place="the record",
        schema_of=methods.schema_of,
        overrides={"budget.trials": contest.most_trials()},
        name=study.name,
    )


def _sit(request: Request, asked: Asked) -> tuple[Record, str | None, tuple[str, ...]]:
    """Trains what is missing; the race as it stands then, why it ended early, and what failed."""
    study = asked.study
    views = planned(study, asked.folder.parent)
    data = views.data.fingerprint
    sampling.check(asked.storage, asked.search, data=data)
    sampling.check(asked.url, asked.race, data=data)
    with engines_hushed() as quiet, ExitStack() as machines:
        console = Console(file=quiet.terminal, markup=False, highlight=False, soft_wrap=True)
        site = Site(asked.place, request.address, Troubles(console.print))
        room = machines.enter_context(joined(site, study))
        compute(views, console)
        # The machines are left before the ledger: what they still train has no other driver.
        with _ledger(asked, views.data.fingerprint) as ledger, machines:
            _log(site, quiet)
            follower = Follower(console, lambda: asked.contest(ledger.record()))
            curves = _curves(site, ledger, views.data.task.metrics)
            listeners = (site.troubles.around(curves, "curves"), follower)
            try:
                reason = search(
                    ledger, views.data, room, site=site, listeners=listeners, notice=follower.notice
                )
            finally:
                with site.troubles.allowed("tables"):
                    write_trials_csv(ledger.record(), site.out / "trials.csv")
            return ledger.record(), reason, site.troubles.told


def _log(site: Site, quiet: Quiet) -> None:
    if why := quiet.log_to(site.out / "logs" / "driver.log"):
        site.troubles.add("logs", why)


def _curves(site: Site, ledger: Ledger, family: str) -> Curves:
    """The race's curves, and its checkpoints, as a killed sitting should have left them."""
    curves = Curves(site.out / "tensorboard", ledger.study, metrics=metrics.observed(family))
    with site.troubles.allowed("curves"):
        curves.catch_up(ledger.record())
    Shelf(site.out / "checkpoints").catch_up(ledger.record())
    return curves


def _ledger(asked: Asked, data: str) -> Ledger:
    return sampling.open_ledger(
        asked.url,
        asked.study,
        provenance=provenance.collect(data) | {"overrides": dict(asked.kept)},
        resume=asked.race is not None,
        proposer=Racing(asked.search, asked.plan),
    )


def _weights(asked: Asked, contest: Contest) -> Mapping[int, int]:
    """Trained weights of each candidate, networks that learn along included."""
    data = planned(asked.study, asked.folder.parent).data
    return {
        one.number: training.num_weights(asked.study, one.trial.config, data)
        for one in contest.candidates
    }
