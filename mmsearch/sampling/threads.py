"""Proposals are computed on one thread, whatever machine the driver is on.

Their matrices are small: more threads spend more time on waiting for each other than they save, and
take the cores that gangs train on. And sums whose order depends on a machine's number of cores
would make its proposals its own.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with the libraries of linear algebra held to one thread while it runs."""

    @wraps(function)
    def alone(*arguments: P.args, **keywords: P.kwargs) -> R:
        with _libraries().limit(limits=1):
            return function(*arguments, **keywords)

    return alone


@cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded: finding them takes milliseconds."""
    return ThreadpoolController()
