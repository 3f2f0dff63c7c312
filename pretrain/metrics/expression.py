"""Expression scores of frames that each show one of K: accuracy, recall of each expression, and their mean.

    recall_k = frames of class k that are called k / frames of class k
    UAR      = mean of recall_k over the classes that somebody shows (unweighted average recall)
    accuracy = frames that are called what they show / labelled frames

UAR is what unequal classes need: to call everything by the commonest expression gives 1/K. All scores follow
from a confusion matrix per person.

Axes: F frames, K expressions (rows of a confusion are the truth), P people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.people import Floats


@dataclass(frozen=True)
class ExpressionSums:
    """What each person contributes; frames without a label contribute nothing."""

    people: list[str]
    confusion_PKK: Floats
    """Frames by what they show and what they were called."""


def expression_sums(
    score_FK: NDArray[np.floating], label_F: NDArray[np.integer], person_F: Sequence[str]
) -> ExpressionSums:
    """Count frames per person; a frame is called the expression with the highest score, the first of equals.

    Args:
        score_FK: any number that is higher for what is more likely.
        label_F: place of the expression, -1 where nobody gave one.
        person_F: who is shown.

    Raises:
        ValueError: shapes disagree, a label is outside -1..K-1, or a score is not finite.
    """
    score = np.asarray(score_FK, np.float64)
    if score.ndim != 2 or label_F.shape != score.shape[:1] or len(person_F) != len(score):
        raise ValueError(
            f"scores (frames, expressions), a label and a person for each frame wanted, found {score.shape}, "
            f"{label_F.shape} and {len(person_F)} people"
        )
    if not len(score):
        raise ValueError("no frames to score")
    num = score.shape[1]
    if label_F.min() < -1 or label_F.max() >= num:
        raise ValueError(
            f"labels must lie in 0..{num - 1} with -1 for missing, found {label_F.min()}..{label_F.max()}"
        )
    if not np.isfinite(score).all():
        raise ValueError(f"{int((~np.isfinite(score)).sum())} predictions are not finite")
    people, index_F = np.unique(np.asarray(person_F), return_inverse=True)
    labelled_F = label_F >= 0
    confusion_PKK = np.zeros((len(people), num, num))
    place = index_F[labelled_F], label_F[labelled_F], score[labelled_F].argmax(axis=1)
    np.add.at(confusion_PKK, place, 1.0)
    return ExpressionSums([str(person) for person in people], confusion_PKK)


def commonest(sums: ExpressionSums) -> ExpressionSums:
    """The same frames if all were called by the commonest expression among them: the row to beat."""
    shown_PK = sums.confusion_PKK.sum(axis=2)
    called_PKK = np.zeros_like(sums.confusion_PKK)
    called_PKK[:, :, int(shown_PK.sum(axis=0).argmax())] = shown_PK
    return ExpressionSums(sums.people, called_PKK)


def recall(sums: ExpressionSums, weight_P: Floats | None = None) -> Floats:
    """Recall of each expression `(K,)`, NaN where nobody shows it; the mean of the others is the UAR.

    `weight_P` may lead with draws `(R, P)` -> `(R, K)`.
    """
    confusion_KK = _pooled(sums, weight_P)
    shown_K = confusion_KK.sum(axis=-1)
    right_K = np.diagonal(confusion_KK, axis1=-2, axis2=-1)
    return np.where(shown_K > 0, right_K / np.maximum(shown_K, 1), np.nan)


def class_f1(sums: ExpressionSums, weight_P: Floats | None = None) -> Floats:
    """F1 of each expression `(K,)`, NaN where nobody shows it; axes as `recall`."""
    confusion_KK = _pooled(sums, weight_P)
    shown_K, called_K = confusion_KK.sum(axis=-1), confusion_KK.sum(axis=-2)
    right_K = np.diagonal(confusion_KK, axis1=-2, axis2=-1)
    return np.where(shown_K > 0, 2 * right_K / np.maximum(shown_K + called_K, 1), np.nan)


def class_accuracy(sums: ExpressionSums, weight_P: Floats | None = None) -> Floats:
    """Accuracy over all frames, the same number for each expression `(K,)`; axes as `recall`.

    It is of no single expression; so it stands in tables, and is averaged, as the others are.
    """
    confusion_KK = _pooled(sums, weight_P)
    frames = confusion_KK.sum(axis=(-2, -1))
    right = np.trace(confusion_KK, axis1=-2, axis2=-1)
    value = np.where(frames > 0, right / np.maximum(frames, 1), np.nan)
    return np.repeat(value[..., None], confusion_KK.shape[-1], axis=-1)


def _pooled(sums: ExpressionSums, weight_P: Floats | None) -> Floats:
    weight = np.ones(len(sums.people)) if weight_P is None else weight_P
    return np.tensordot(weight, sums.confusion_PKK, axes=1)
