"""A study file, read and checked whole: every mistake is reported before anything starts.

Unusual: nothing is merged, inherited or interpolated. A study is one file, overrides replace
values in it before it is checked, and its resolved text is all that a record needs to keep.
"""

from mmsearch.study.difference import FREE, PASSING, changes, difference, widens
from mmsearch.study.files import find, known
from mmsearch.study.model import COST, Budget, Objective, Resources, Sampler, Scheduler, Study
from mmsearch.study.overrides import parse_override
from mmsearch.study.reader import load, loads
from mmsearch.study.several import losses, pareto_set, values

__all__ = [
    "COST",
    "FREE",
    "PASSING",
    "Budget",
    "Objective",
    "Resources",
    "Sampler",
    "Scheduler",
    "Study",
    "changes",
    "difference",
    "find",
    "known",
    "load",
    "loads",
    "losses",
    "pareto_set",
    "parse_override",
    "values",
    "widens",
]
