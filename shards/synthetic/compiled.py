"""Compiling a loop with numba, once, keeping the result beside its module (or in NUMBA_CACHE_DIR)."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Return the compiled function: no threads, no reordered sums, so that the bytes are always the same."""
    try:
        return cast("F", numba.njit(cache=True, error_model="numpy")(function))
    except (
        RuntimeError
    ):  # no folder to keep it in is writable: each process compiles for itself, a few seconds
        return cast("F", numba.njit(error_model="numpy")(function))
