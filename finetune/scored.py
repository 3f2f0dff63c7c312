"""A score of jobs on equal people: its value, its bootstrap draws over people and seeds, paired differences.

Axes: J jobs, R bootstrap draws, P people, A AUs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.protocols.protocol import Kind
from pretrain.labels import Labels
from pretrain.metrics.detection import DetectionSums, detection_sums
from pretrain.metrics.expression import ExpressionSums, expression_sums
from pretrain.metrics.intensity import IntensitySums, intensity_sums
from pretrain.metrics.people import DRAWS, Interval, mean_over_aus, percentile_interval, person_weights

Floats = NDArray[np.float64]
Sums = DetectionSums | IntensitySums | ExpressionSums
Score = Callable[..., Floats]
"""`score(sums, weight_RP=None)`: values per AU, for draws of people where weights lead with them."""


def sums_of(
    kind: Kind,
    value_FA: NDArray[np.floating],
    label_FA: Labels,
    person_F: Sequence[str],
    threshold_A: NDArray[np.floating] | None = None,
) -> Sums:
    """What each person contributes to the scores of a kind of labels.

    Args:
        kind: of the labels.
        value_FA: predictions.
        label_FA: as `targets.Target` has them.
        person_F: who is seen.
        threshold_A: of detection alone: the probability from which an AU counts as present.
    """
    if kind == "detection":
        assert threshold_A is not None
        return detection_sums(value_FA, threshold_A, label_FA, person_F)
    if kind == "intensity":
        return intensity_sums(value_FA, label_FA, person_F)
    return expression_sums(value_FA, label_FA[:, 0], person_F)


@dataclass(frozen=True)
class Scored:
    """Mean over jobs, and its draws."""

    value_A: Floats
    draws_RA: Floats

    @property
    def mean(self) -> float:
        return float(mean_over_aus(self.value_A))

    @property
    def mean_interval(self) -> Interval:
        return percentile_interval(mean_over_aus(self.draws_RA))

    def interval(self, au: int) -> Interval:
        """Interval of the AU at this place of the AU list."""
        return percentile_interval(self.draws_RA[:, au])


def score_jobs(score: Score, jobs: Sequence[Sums], draws: int = DRAWS, seed: int = 0) -> Scored:
    """A score of jobs that differ in their seed alone; people are resampled, and jobs among each other.

    Equal people and seeds give equal draws of people: differences between methods are paired.
    """
    weight_RP = person_weights(len(jobs[0].people), draws, seed)
    draws_JRA = np.stack([score(sums, weight_RP) for sums in jobs])
    picked_RJ = np.random.default_rng([seed, len(jobs)]).integers(len(jobs), size=(draws, len(jobs)))
    return Scored(
        np.mean([score(sums) for sums in jobs], axis=0),
        draws_JRA[picked_RJ, np.arange(draws)[:, None]].mean(axis=1),
    )


def score_folds(
    score: Score, folds: Mapping[int, Sequence[Sums]], draws: int = DRAWS, seed: int = 0
) -> Scored:
    """The mean over folds, of jobs by fold; people are drawn within each fold, jobs among those of the fold.

    Equal folds with equally many people and jobs give the same draws: differences of draws are paired.
    """
    scored = [score_jobs(score, folds[fold], draws, seed + fold) for fold in sorted(folds)]
    return Scored(
        np.mean([fold.value_A for fold in scored], axis=0),
        np.mean([fold.draws_RA for fold in scored], axis=0),
    )


def difference(first: Scored, second: Scored) -> tuple[float, Interval]:
    """First minus second in the mean over AUs, with the paired interval."""
    draws_R = mean_over_aus(first.draws_RA) - mean_over_aus(second.draws_RA)
    return first.mean - second.mean, percentile_interval(draws_R)
