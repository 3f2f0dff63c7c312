"""Nearest frames of other people in feature space, and how far they show the same AUs.

Axes: F frames, K neighbours, D features, A AUs, P people, R bootstrap draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.people import Interval, interval_over_people

PRESENT_FROM = 2
"""Intensity from which an AU counts as shown, as in DISFA's protocol."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Mean overlap of shown AUs between a frame and its neighbours, per person who asks."""

    mean_P: Floats

    @property
    def value(self) -> float:
        """Mean over people."""
        return float(self.mean_P.mean())

    @property
    def interval(self) -> Interval:
        return interval_over_people(self.mean_P)


def nearest_of_others(vectors_FD: Floats, person_F: Sequence[str], count: int) -> NDArray[np.int64]:
    """For each frame, its nearest frame of each other person; of these the `count` nearest `(F, K)`.

    One frame a person, since neighbours in time are near in any feature. Nearness is the cosine after
    removing the mean. K is less than `count` where there are fewer other people.

    Raises:
        ValueError: there is only one person.
    """
    people = np.asarray(person_F)
    names = sorted(set(person_F))
    if len(names) < 2:
        raise ValueError(f"frames of at least two people wanted, found only {names[0]}")
    centred_FD = vectors_FD - vectors_FD.mean(axis=0)
    unit_FD = centred_FD / np.maximum(np.linalg.norm(centred_FD, axis=1, keepdims=True), 1e-12)
    cosine_FF = unit_FD @ unit_FD.T
    cosine_FF[people[:, None] == people[None, :]] = -np.inf
    frames_of = [np.flatnonzero(people == name) for name in names]
    best_FP = np.stack([frames[cosine_FF[:, frames].argmax(axis=1)] for frames in frames_of], axis=1)
    score_FP = np.take_along_axis(cosine_FF, best_FP, axis=1)
    order_FK = np.argsort(-score_FP, axis=1, kind="stable")[:, : min(count, len(names) - 1)]
    return np.take_along_axis(best_FP, order_FK, axis=1)


def shown_aus(label_FA: NDArray[np.int8]) -> NDArray[np.bool_]:
    return np.asarray(label_FA >= PRESENT_FROM)


def overlap(shown_FA: NDArray[np.bool_]) -> Floats:
    """Of each pair of frames, AUs that both show over AUs that either shows `(F, F)`; 0 where none does."""
    counts = shown_FA.astype(np.float64)
    both_FF = counts @ counts.T
    either_FF = counts.sum(axis=1)[:, None] + counts.sum(axis=1)[None, :] - both_FF
    return np.asarray(both_FF / np.maximum(either_FF, 1.0))


def agreement(label_FA: NDArray[np.int8], person_F: Sequence[str], order_FK: NDArray[np.int64]) -> Agreement:
    """Overlap with the neighbours, over the frames that show an AU, then per person."""
    overlap_FF = overlap(shown_aus(label_FA))
    value_F = np.take_along_axis(overlap_FF, order_FK, axis=1).mean(axis=1)
    return _per_person(value_F, label_FA, person_F)


def chance(label_FA: NDArray[np.int8], person_F: Sequence[str]) -> Agreement:
    """Overlap with all frames of other people: what neighbours drawn at random have."""
    people = np.asarray(person_F)
    other_FF = people[:, None] != people[None, :]
    overlap_FF = overlap(shown_aus(label_FA))
    value_F = (overlap_FF * other_FF).sum(axis=1) / np.maximum(other_FF.sum(axis=1), 1)
    return _per_person(value_F, label_FA, person_F)


def gain(first: Agreement, second: Agreement) -> tuple[float, Interval]:
    """First minus second, paired by person."""
    difference_P = first.mean_P - second.mean_P
    return float(difference_P.mean()), interval_over_people(difference_P)


def queries(label_FA: NDArray[np.int8], person_F: Sequence[str], count: int) -> list[int]:
    """One frame of each of `count` people: the most intense one, people in order of that intensity."""
    total_F = np.maximum(label_FA, 0).sum(axis=1)
    people = np.asarray(person_F)
    best = [int(np.flatnonzero(people == p)[total_F[people == p].argmax()]) for p in sorted(set(person_F))]
    return sorted(best, key=lambda frame: (-total_F[frame], frame))[:count]


def _per_person(value_F: Floats, label_FA: NDArray[np.int8], person_F: Sequence[str]) -> Agreement:
    people, asks_F = np.asarray(person_F), shown_aus(label_FA).any(axis=1)
    means = [value_F[asks_F & (people == p)].mean() for p in sorted(set(people[asks_F]))]
    return Agreement(np.array(means, np.float64))
