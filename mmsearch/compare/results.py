"""What each row of a comparison came to: its choice, its replicates on one split, its terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmsearch import backbones, datasets, methods
from mmsearch.best.asking import Asked
from mmsearch.best.session import Outcome
from mmsearch.compare.entries import Entry
from mmsearch.errors import Problem, SelectionError
from mmsearch.report.trials import metrics_at_value
from mmsearch.selection.comparison import Entrant
from mmsearch.selection.receipts import Opening
from mmsearch.selection.terms import race_terms, require_equal, require_same_data, terms_of, unequal
from mmsearch.trial import Record, Trial

Values = dict[str, dict[int, float]]
"""By metric, without the split, and by replicate."""


@dataclass(frozen=True)
class Result:
    """One row, over and done."""

    entry: Entry
    race: Asked
    outcome: Outcome

    @property
    def label(self) -> str:
        """Of the row."""
        return self.entry.label

    @property
    def search(self) -> Record:
        """Record of the search."""
        return self.race.search

    @property
    def replicates(self) -> tuple[Trial, ...]:
        """Of the choice, those that completed, by seed."""
        chosen = self.outcome.choice.chosen.candidate
        done = [t for t in chosen.replicates if t.seed.replicate in chosen.values]
        return tuple(sorted(done, key=lambda trial: trial.seed.replicate))

    @property
    def opening(self) -> Opening | None:
        """Of test for this very choice; None while it is sealed."""
        chosen = self.outcome.choice.chosen
        seeds = sorted(chosen.candidate.values)
        return next(
            (
                one
                for one in self.outcome.openings
                if one["trial"] == chosen.number and one["frozen"]["seeds"] == seeds
            ),
            None,
        )

    def values(self, seeds: int, *, test: bool) -> Values:
        """Every metric of the first so many replicates, all at the epoch that valid chose."""
        taken = self.replicates[:seeds]
        if test:
            assert self.opening is not None
            figures: Mapping[str, Mapping[str, float]] = self.opening["figures"]["chosen"]
            measured = {t.seed.replicate: figures[str(t.seed.replicate)] for t in taken}
        else:
            measured = {
                t.seed.replicate: {
                    name.removeprefix("valid/"): value
                    for name, value in metrics_at_value(t).items()
                }
                for t in taken
            }
        found: Values = {}
        for replicate, metrics in measured.items():
            for name, value in metrics.items():
                found.setdefault(name, {})[replicate] = value
        return found


def entrants(
    results: Sequence[Result], *, seeds: int, test: bool, allowed: bool
) -> tuple[Entrant, ...]:
    """The rows, with what makes them unequal to the first.

    Args:
        results: in the order of the table.
        seeds: replicates that each row should have.
        test: whether figures are of test, which was opened for all of them.
        allowed: whether unequal rows may stand in the table.

    Raises:
        SelectionError: rows are unequal and may not be, or learned from other data.
    """
    require_same_data(fingerprints(results))
    terms = {one.label: _terms(one, seeds) for one in results}
    if not allowed:
        require_equal(terms)
    reference = terms[results[0].label]
    return tuple(
        Entrant(one.label, one.values(seeds, test=test), unequal(reference, terms[one.label]))
        for one in results
    )


def require_raced(label: str, asked: Asked) -> None:
    """Whether a race's search has something to race.

    Raises:
        SelectionError: no trial of it has completed.
    """
    if not asked.search.ranking:
        rule = "no trial of its search has completed, so the row has no figures"
        raise SelectionError(Problem(f"row {label!r}", rule, "Give it a larger --budget."))


def fingerprints(results: Sequence[Result]) -> dict[str, str]:
    """Of the examples that each row has learned from, by label, whatever networks read them."""
    known: dict[str, Any] = {
        one.label: one.search.provenance.get("fingerprints", {}).get("data") for one in results
    }
    if len(set(known.values())) == 1:
        return known
    for one in results:
        study = one.race.study
        # Networks that read raw data are a part of the fingerprint on record.
        if backbones.of_study(study, methods.schema_of(study.method)):
            known[one.label] = datasets.load(study.dataset, folder=study.data).fingerprint
    return known


def _terms(one: Result, seeds: int) -> dict[str, str]:
    race = race_terms(one.search, one.race.race, one.race.kept)
    replicates = {"replicates": str(min(seeds, len(one.replicates)))}
    return terms_of(one.search) | race | replicates
