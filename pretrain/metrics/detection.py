"""AU detection scores, pooled over frames: F1, accuracy, area under the ROC curve.

Every score is a function of sums per person, so that one pass over the frames serves the pooled score
and any resampling of people.

    F1 = 2 TP / (2 TP + FP + FN), 0 where nothing is present and nothing predicted (the field's 1e-20 guard)
    AUC = P(score of a positive frame > score of a negative one) + P(equal) / 2     (Mann-Whitney)

Axes: F frames, A AUs, P Q people. Labels are 1, 0, or -1 where nobody coded the frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.people import Floats


@dataclass(frozen=True)
class DetectionSums:
    """What each person contributes; frames without a label contribute nothing."""

    people: list[str]
    true_positive_PA: Floats
    false_positive_PA: Floats
    false_negative_PA: Floats
    true_negative_PA: Floats
    wins_PQA: Floats
    """Pairs of a positive frame of P and a negative one of Q in the right order; a tie is half a pair."""


def detection_sums(
    score_FA: NDArray[np.floating],
    threshold_A: NDArray[np.floating],
    label_FA: NDArray[np.integer],
    person_F: Sequence[str],
) -> DetectionSums:
    """Count frames per person; an AU is predicted present where its score is at least its threshold.

    Raises:
        ValueError: shapes disagree, a label is none of 1, 0, -1, or a score is not finite.
    """
    score = np.asarray(score_FA, np.float64)
    check_frames(score, label_FA, person_F, (-1, 1))
    if np.shape(threshold_A) != score.shape[1:]:
        raise ValueError(
            f"one threshold per AU wanted, found {np.shape(threshold_A)} for {score.shape[1]} AUs"
        )
    people, index_F = np.unique(np.asarray(person_F), return_inverse=True)
    present_FA, positive_FA, negative_FA = score >= threshold_A, label_FA == 1, label_FA == 0

    def per_person(chosen_FA: NDArray[np.bool_]) -> Floats:
        sums_PA = np.zeros((len(people), chosen_FA.shape[1]))
        np.add.at(sums_PA, index_F, chosen_FA.astype(np.float64))
        return sums_PA

    return DetectionSums(
        people=[str(person) for person in people],
        true_positive_PA=per_person(present_FA & positive_FA),
        false_positive_PA=per_person(present_FA & negative_FA),
        false_negative_PA=per_person(~present_FA & positive_FA),
        true_negative_PA=per_person(~present_FA & negative_FA),
        wins_PQA=_wins(score, label_FA, index_F, len(people)),
    )


def _wins(
    score_FA: Floats, label_FA: NDArray[np.integer], index_F: NDArray[np.intp], num_people: int
) -> Floats:
    wins_PQA = np.zeros((num_people, num_people, score_FA.shape[1]))
    for au in range(score_FA.shape[1]):
        positive_F = label_FA[:, au] == 1
        positive_score, owner = score_FA[positive_F, au], index_F[positive_F]
        for other in range(num_people):
            below = np.sort(score_FA[(label_FA[:, au] == 0) & (index_F == other), au])
            left, right = (np.searchsorted(below, positive_score, side) for side in ("left", "right"))
            wins_PQA[:, other, au] = np.bincount(owner, (left + right) / 2, minlength=num_people)
    return wins_PQA


def everything_present(sums: DetectionSums) -> DetectionSums:
    """The same frames under a detector that always says present: the row to beat."""
    positive_PA = sums.true_positive_PA + sums.false_negative_PA
    negative_PA = sums.false_positive_PA + sums.true_negative_PA
    nothing = np.zeros_like(positive_PA)
    pairs_PQA = positive_PA[:, None] * negative_PA[None]
    return DetectionSums(sums.people, positive_PA, negative_PA, nothing, nothing, pairs_PQA / 2)


def f1(sums: DetectionSums, weight_P: Floats | None = None) -> Floats:
    """F1 per AU `(A,)`, NaN without labelled frames; `weight_P` may lead with draws `(R, P)` -> `(R, A)`."""
    weight_P = _weights(sums, weight_P)
    hits_A = 2 * weight_P @ sums.true_positive_PA
    misses_A = weight_P @ (sums.false_positive_PA + sums.false_negative_PA)
    labelled_A = weight_P @ _labelled(sums)
    return np.where(labelled_A > 0, hits_A / np.maximum(hits_A + misses_A, 1e-20), np.nan)


def accuracy(sums: DetectionSums, weight_P: Floats | None = None) -> Floats:
    """Share of labelled frames that are right, per AU; axes as `f1`."""
    weight_P = _weights(sums, weight_P)
    right_A = weight_P @ (sums.true_positive_PA + sums.true_negative_PA)
    labelled_A = weight_P @ _labelled(sums)
    return np.where(labelled_A > 0, right_A / np.maximum(labelled_A, 1), np.nan)


def auc(sums: DetectionSums, weight_P: Floats | None = None) -> Floats:
    """Area under the ROC curve per AU, NaN where one class is missing; axes as `f1`."""
    weight_P = _weights(sums, weight_P)
    positive_A = weight_P @ (sums.true_positive_PA + sums.false_negative_PA)
    negative_A = weight_P @ (sums.false_positive_PA + sums.true_negative_PA)
    won_A = np.einsum("...p,...q,pqa->...a", weight_P, weight_P, sums.wins_PQA, optimize=True)
    pairs_A = positive_A * negative_A
    return np.where(pairs_A > 0, won_A / np.maximum(pairs_A, 1), np.nan)


def best_thresholds(
    score_FA: NDArray[np.floating], label_FA: NDArray[np.integer], candidates: Sequence[float]
) -> Floats:
    """Per AU the candidate with the highest F1; the one nearest to 0.5 where several are equal.

    An AU without a positive frame keeps 0.5: nothing was learned about its threshold.
    """
    order = sorted(candidates, key=lambda candidate: abs(candidate - 0.5))
    positive_FA, labelled_FA = label_FA == 1, label_FA >= 0
    f1_KA = []
    for candidate in order:
        present_FA = (score_FA >= candidate) & labelled_FA
        hits_A = (present_FA & positive_FA).sum(axis=0)
        f1_KA.append(2 * hits_A / np.maximum(present_FA.sum(axis=0) + positive_FA.sum(axis=0), 1))
    best_A = np.asarray(order)[np.argmax(np.asarray(f1_KA), axis=0)]
    return np.where(positive_FA.any(axis=0), best_A, 0.5).astype(np.float64)


def _labelled(sums: DetectionSums) -> Floats:
    return sums.true_positive_PA + sums.false_positive_PA + sums.false_negative_PA + sums.true_negative_PA


def _weights(sums: DetectionSums, weight_P: Floats | None) -> Floats:
    return np.ones(len(sums.people)) if weight_P is None else weight_P


def check_frames(
    score_FA: Floats, label_FA: NDArray[np.integer], person_F: Sequence[str], allowed: tuple[int, int]
) -> None:
    """Shapes, label range and finite scores; shared with the intensity scores."""
    if score_FA.ndim != 2 or score_FA.shape != label_FA.shape or len(person_F) != len(score_FA):
        raise ValueError(
            f"scores and labels of shape (frames, AUs) and one person per frame wanted, found "
            f"{score_FA.shape}, {label_FA.shape} and {len(person_F)} people"
        )
    if score_FA.shape[0] == 0:
        raise ValueError("no frames to score")
    low, high = allowed
    if label_FA.min() < low or label_FA.max() > high:
        raise ValueError(
            f"labels must lie in {low}..{high} with -1 for missing, found {label_FA.min()}..{label_FA.max()}"
        )
    if not np.isfinite(score_FA).all():
        raise ValueError(f"{int((~np.isfinite(score_FA)).sum())} predictions are not finite")
