"""Intervals over people: frames of one person are not independent, so people are what is resampled.

Axes: P people, R bootstrap draws.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    low: float
    high: float


def person_weights(num_people: int, draws: int, seed: int) -> Floats:
    """How often each person was drawn in each bootstrap sample: `(draws, num_people)`, rows sum to P.

    Two models scored with the same weights on the same people give a paired comparison.
    """
    if num_people < 1 or draws < 1:
        raise ValueError(
            f"a bootstrap needs at least one person and one draw, found {num_people} and {draws}"
        )
    chance_P = np.full(num_people, 1.0 / num_people)
    return np.random.default_rng(seed).multinomial(num_people, chance_P, size=draws).astype(np.float64)


def percentile_interval(values_R: Floats, level: float = 0.95) -> Interval:
    """Percentile bootstrap interval (Efron 1979) of the draws that are defined; NaN where none is."""
    defined = values_R[~np.isnan(values_R)]
    if defined.size == 0:
        return Interval(float("nan"), float("nan"))
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(defined, [tail, 100.0 - tail])
    return Interval(float(low), float(high))


def interval_over_people(value_P: Floats, seed: int = 0) -> Interval:
    """95 % bootstrap interval of the mean over people."""
    weight_RP = person_weights(len(value_P), DRAWS, seed)
    return percentile_interval(weight_RP @ value_P / len(value_P))


def mean_over_aus(values_RA: Floats) -> Floats:
    """Unweighted mean of the last axis over the AUs that are defined; NaN where none is."""
    defined = ~np.isnan(values_RA)
    count = defined.sum(axis=-1)
    total = np.where(defined, values_RA, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
