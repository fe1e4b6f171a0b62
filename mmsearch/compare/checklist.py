"""The reproducibility checklist of conferences, answered from records.

Unusual: an item that no record answers says so; nothing is answered by hand or by hope.

Source: Pineau, "The Machine Learning Reproducibility Checklist", v2.0, 2020; the experimental items
of the NeurIPS paper checklist.
"""

from collections.abc import Sequence
from statistics import mean

from mmsearch.compare.results import Result
from mmsearch.report.card import spent

ASK = "not recorded: for the authors to say"


def checklist(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Every item with its answer."""
    return [
        ("Model: description of the mathematical setting, assumptions, complexity", ASK),
        ("Theory: statements of results and complete proofs", ASK),
        ("Data: statistics such as the number of examples", ASK),
        ("Data: details of train, validation and test splits", _splits(results)),
        ("Data: what was excluded, and all preprocessing", ASK),
        ("Data: a link to a version that can be downloaded; licences", ASK),
        ("Code: specification of dependencies", _versions(results)),
        ("Code: training and evaluation code", _code(results)),
        ("Code: trained models", _models(results)),
        ("Code: a README with the precise command", "Yes: the command stands above."),
        (
            "Results: range of hyper-parameters, how the best was selected, all that were used",
            f"Yes: spaces and chosen configurations above. {_selection(results)}",
        ),
        ("Results: exact number of training and evaluation runs", _runs(results)),
        (
            "Results: definition of the measures",
            "Yes, in code: `mmsearch/metrics`, tested against the field's own evaluations.",
        ),
        ("Results: central tendency and variation; error bars and how they came about", _bars()),
        ("Results: significance tests", _tests(results)),
        ("Results: average run time; energy cost", _time(results)),
        ("Results: computing infrastructure", _machines(results)),
        ("Results: compute of the whole project, failed experiments included", _compute(results)),
        ("Test data: how often it was looked at", _openings(results)),
        ("Broader impacts, safeguards, human subjects", ASK),
    ]


def _splits(results: Sequence[Result]) -> str:
    prints = {str(one.search.provenance.get("fingerprints", {}).get("data", "")) for one in results}
    told = ", ".join(sorted(one[:16] for one in prints if one))
    if not told:
        return "Fingerprint of train and valid: not recorded."
    return (
        f"Partly: fingerprint of train and valid is {told}, the same examples for every row; how "
        "they were split is not recorded."
    )


def _versions(results: Sequence[Result]) -> str:
    if all(one.search.provenance.get("versions") for one in results):
        return "Yes: versions above."
    return "Versions: not recorded for every row."


def _code(results: Sequence[Result]) -> str:
    known = [one.search.provenance for one in results]
    if not all("commit" in one for one in known):
        return "Fingerprints of the code above; the commit is not recorded for every row."
    changed = any(one.get("dirty") for one in known)
    return "Yes: commits above" + (", with uncommitted changes on record." if changed else ".")


def _models(results: Sequence[Result]) -> str:
    kept = all(trial.checkpoint for one in results for trial in one.replicates)
    if kept:
        return "Yes: checkpoints of every replicate of the choices, below `best/checkpoints`."
    return "Checkpoints are not recorded for every replicate of the choices."


def _selection(results: Sequence[Result]) -> str:
    objective = results[0].entry.study.objective
    return (
        f"Selected by {objective.metric} ({objective.direction}, {objective.epoch} epoch) in a "
        "race over fresh seeds; test played no part."
    )


def _runs(results: Sequence[Result]) -> str:
    searched = sum(len(one.search.trials) for one in results)
    raced = sum(len(one.race.race.trials) for one in results if one.race.race)
    return (
        f"{searched} trials of searches and {raced} replicates, counted by row above; each is "
        "evaluated on valid after every epoch."
    )


def _bars() -> str:
    return (
        "Yes: mean and sample standard deviation over fresh seeds, the same for every row. They "
        "vary initial weights and the order of data, not the data itself."
    )


def _tests(results: Sequence[Result]) -> str:
    seeds = min(len(one.replicates) for one in results)
    return (
        f"Two-sided paired t tests over at least {seeds} seeds, Holm-adjusted within a column. "
        "They take differences over seeds as normal."
    )


def _time(results: Sequence[Result]) -> str:
    told = ", ".join(
        f"{one.label} {mean(trial.train_seconds for trial in one.replicates):.1f} s"
        for one in results
        if one.replicates
    )
    return f"A replicate of the choice trains for {told}, on its machine; energy: not recorded."


def _machines(results: Sequence[Result]) -> str:
    if all(one.search.provenance.get("hardware") for one in results):
        return "Yes: processors and GPUs above."
    return "Hardware: not recorded for every row."


def _compute(results: Sequence[Result]) -> str:
    gpu = core = 0.0
    for one in results:
        for record in (one.search, one.race.race):
            told = spent(record, one.race.study) if record else {}
            gpu += told.get("gpu_hours") or 0.0
            core += told.get("core_hours") or 0.0
    return (
        f"On record: {gpu:.2f} GPU-hours and {core:.2f} core-hours, failed trials included. What "
        "was tried before, elsewhere: not recorded."
    )


def _openings(results: Sequence[Result]) -> str:
    told = [
        f"{one.label} {len(one.outcome.openings)} times" for one in results if one.outcome.openings
    ]
    if not told:
        return "Never: it is sealed."
    return f"By receipts: {', '.join(told)}; once for a frozen choice is what a fair figure needs."
