"""Scores of every row with intervals over people and seeds, and paired differences.

Axes: R bootstrap draws, P people, S seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics import detection, intensity
from pretrain.metrics.people import Interval, mean_over_aus, percentile_interval, person_weights
from tests.benchmarks.learning.probe import Scores

DRAWS = 2000
Floats = NDArray[np.float64]
Score = Callable[[Scores, Floats | None], Floats]
SCORES: dict[str, Score] = {
    "auc": lambda scores, weight_P: detection.auc(scores.detection, weight_P),
    "r": lambda scores, weight_P: intensity.pcc(scores.intensity, weight_P),
    "icc": lambda scores, weight_P: intensity.icc(scores.intensity, weight_P),
    "f1": lambda scores, weight_P: detection.f1(scores.detection, weight_P),
    "mae": lambda scores, weight_P: intensity.mae(scores.intensity, weight_P),
}
"""Each gives values per AU, for draws of people where weights lead with them."""


@dataclass(frozen=True)
class Row:
    """A score of one method: mean over AUs and seeds, and its draws, paired by place between methods."""

    value: float
    draws_R: Floats

    @property
    def interval(self) -> Interval:
        return percentile_interval(self.draws_R)

    def minus(self, other: "Row") -> "Row":
        """The paired difference."""
        return Row(self.value - other.value, self.draws_R - other.draws_R)


def score_row(score: Score, seeds: Sequence[Scores], draws: int = DRAWS) -> Row:
    """Resample people, and seeds among each other.

    A method with one seed (nothing is random in it) keeps it in every draw.
    """
    people = len(seeds[0].intensity.people)
    weight_RP = person_weights(people, draws, seed=0)
    draws_SR = np.stack([mean_over_aus(score(one, weight_RP)) for one in seeds])
    picked_RS = np.random.default_rng(1).integers(len(seeds), size=(draws, len(seeds)))
    value = float(np.mean([mean_over_aus(score(one, None)) for one in seeds]))
    return Row(value, draws_SR[picked_RS, np.arange(draws)[:, None]].mean(axis=1))


def everything_present(scores: Scores) -> Scores:
    """The row to beat in F1."""
    return Scores(detection.everything_present(scores.detection), scores.intensity, scores.pose_r)


def cell(row: Row) -> str:
    """`.123 [.100, .150]`."""
    low, high = row.interval
    return f"{_short(row.value)} [{_short(low)}, {_short(high)}]"


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_json(row: Row) -> dict[str, Any]:
    """For the result file."""
    return {
        "value": round(row.value, 5),
        "low": round(row.interval.low, 5),
        "high": round(row.interval.high, 5),
    }
