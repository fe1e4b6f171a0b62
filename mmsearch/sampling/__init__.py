"""The Optuna room: proposes trials, keeps the durable record, says which trials go on.

Unusual: Optuna's samplers and storages are used, its optimisation loop, pruners and live studies
are not. The record in its storage is ours, under a schema version of our own.
"""

import optuna

from mmsearch.sampling.ahead import Proposal, Proposer
from mmsearch.sampling.ledger import Ledger
from mmsearch.sampling.opening import check, find, open_ledger, read, read_all
from mmsearch.sampling.urls import shown

optuna.logging.set_verbosity(optuna.logging.WARNING)

__all__ = [
    "Ledger",
    "Proposal",
    "Proposer",
    "check",
    "find",
    "open_ledger",
    "read",
    "read_all",
    "shown",
]
