"""Micro batches of one step: a rank's clips in equal parts, and the mean of what they gave."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from pretrain.device import DeviceBatch
from pretrain.objectives.objective import Losses


def micro_batches(batch: DeviceBatch, count: int) -> list[DeviceBatch]:
    """`batch` in `count` equal runs of clips, in order; views, not copies.

    Raises:
        ValueError: the clips do not divide.
    """
    if count == 1:
        return [batch]
    if len(batch) % count:
        raise ValueError(f"{len(batch)} clips do not divide into {count} micro batches")
    size = len(batch) // count
    return [_rows(batch, slice(first, first + size)) for first in range(0, len(batch), size)]


def _rows(batch: Any, rows: slice) -> Any:
    """A dataclass of per-clip arrays, tensors and lists, with these clips only."""
    changed = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            changed[field.name] = _rows(value, rows)
        elif isinstance(value, Tensor | np.ndarray | list):
            changed[field.name] = value[rows]
    return replace(batch, **changed)


def mean_of(found: Sequence[Losses]) -> Losses:
    """Mean loss and parts of a step's micro batches, detached; a part is averaged over those that have it."""
    names = dict.fromkeys(name for losses in found for name in losses.parts)
    parts = {}
    for name in names:
        values = [losses.parts[name] for losses in found if name in losses.parts]
        parts[name] = sum(values[1:], values[0]) / len(values)
    totals = [losses.total.detach() for losses in found]
    return Losses(sum(totals[1:], totals[0]) / len(totals), parts)
