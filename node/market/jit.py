"""Loops compiled by numba. Importing this module takes about half a second: do it where the work is large.

The machine code is kept in ``__pycache__`` beside the module, or, where that is read-only, in the user's cache folder
(``NUMBA_CACHE_DIR`` names another). Where no folder can be written, each process compiles for itself, in some seconds.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[F], F]:
    """Compiles a function for one signature, in Python's terms unchanged: whole numbers of 64 bits that wrap."""

    def decorate(function: F) -> F:
        try:
            return cast(F, numba.njit(signature, cache=True)(function))
        except RuntimeError:  # what numba raises where it finds no folder to write to
            return cast(F, numba.njit(signature)(function))

    return decorate
