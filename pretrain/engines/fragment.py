"""Slices of training state by parameter name: all that checkpoints need to know of an engine's layout."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

WEIGHTS, EXP_AVG, EXP_AVG_SQ = "weights", "exp_avg", "exp_avg_sq"
MOMENTS = (EXP_AVG, EXP_AVG_SQ)


@dataclass(frozen=True)
class Fragment:
    """This rank's slice of one parameter's state: `numel` values from flat index `start` on."""

    kind: str
    name: str
    shape: tuple[int, ...]
    start: int
    values: Tensor
    """A view into the engine's own memory."""


Fill = Callable[[Iterable[Fragment]], None]
"""Sets the values of fragments in place, from wherever they were kept; any number may overlap."""


def share(numel: int, rank: int, ranks: int) -> tuple[int, int]:
    """First index and length of rank `rank`'s even share of `numel` values."""
    first, last = numel * rank // ranks, numel * (rank + 1) // ranks
    return first, last - first
