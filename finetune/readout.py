"""Linear readout of frozen features: ridge regression of intensities, its strength chosen on other people.

    W = argmin |X W - Y|^2 + strength * F * |W|^2,   X standardised on the training frames

Detection thresholds are chosen on the validation people too. Axes: F frames, D features, A AUs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.neighbours import PRESENT_FROM
from finetune.scored import DRAWS, Scored, score_jobs
from pretrain.metrics import detection, intensity
from pretrain.metrics.people import mean_over_aus

STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0, 30.0)
THRESHOLDS = tuple(float(value) for value in np.arange(0.1, 4.0, 0.1))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of frames whose every AU is coded."""

    feature_FD: Floats
    label_FA: NDArray[np.int8]
    """Intensities 0-5."""
    person_F: Sequence[str]


@dataclass(frozen=True)
class Readout:
    """Sums per tested person, from which every score and interval follows."""

    detection: detection.DetectionSums
    intensity: intensity.IntensitySums


def read_out(train: LabelledFeatures, validation: LabelledFeatures, test: LabelledFeatures) -> Readout:
    """Fit on `train`, choose on `validation`, score on `test`."""

    def mean_r(values_FA: Floats) -> float:
        sums = intensity.intensity_sums(values_FA, validation.label_FA, validation.person_F)
        return float(mean_over_aus(intensity.pcc(sums)))

    predict = fit_readout(train.feature_FD, train.label_FA, validation.feature_FD, mean_r)
    seen_FA, test_FA = predict(validation.feature_FD), predict(test.feature_FD)
    threshold_A = detection.best_thresholds(seen_FA, _present(validation), THRESHOLDS)
    return Readout(
        detection.detection_sums(test_FA, threshold_A, _present(test), test.person_F),
        intensity.intensity_sums(test_FA, test.label_FA, test.person_F),
    )


def fit_readout(
    input_FD: Floats,
    target_FK: NDArray[np.generic],
    known_FD: Floats,
    score: Callable[[Floats], float],
) -> Callable[[Floats], Floats]:
    """Linear map from features to K targets; the strength is the one with the best score of `known_FD`."""
    mean_D, std_D = input_FD.mean(axis=0), input_FD.std(axis=0) + 1e-9
    target = target_FK.astype(np.float64)
    level_K = target.mean(axis=0)
    known = (known_FD - mean_D) / std_D
    weights = ridge((input_FD - mean_D) / std_D, target - level_K)
    best_DK = max(weights, key=lambda weight_DK: score(known @ weight_DK + level_K))
    return lambda feature_FD: (feature_FD - mean_D) / std_D @ best_DK + level_K


def ridge(input_FD: Floats, target_FK: Floats) -> list[Floats]:
    """Weights `(D, K)` for every strength, from one decomposition."""
    gram_DD = input_FD.T @ input_FD / len(input_FD)
    moment_DK = input_FD.T @ target_FK / len(input_FD)
    value_D, vector_DD = np.linalg.eigh(gram_DD)
    rotated_DK = vector_DD.T @ moment_DK
    return [vector_DD @ (rotated_DK / (value_D[:, None] + strength)) for strength in STRENGTHS]


def some_labels(train: LabelledFeatures, share: float, seed: int) -> LabelledFeatures:
    """A random share of the frames, as if only they had been labelled."""
    count = max(2, round(share * len(train.feature_FD)))
    kept = np.sort(np.random.default_rng(seed).choice(len(train.feature_FD), count, replace=False))
    people = [train.person_F[place] for place in kept]
    return LabelledFeatures(train.feature_FD[kept], train.label_FA[kept], people)


def score_readouts(name: str, readouts: Sequence[Readout], draws: int = DRAWS) -> Scored:
    """`auc` and `f1` of showing an AU, `r`, `icc` and `mae` of its intensity."""
    if name in DETECTION:
        return score_jobs(DETECTION[name], [readout.detection for readout in readouts], draws)
    return score_jobs(INTENSITY[name], [readout.intensity for readout in readouts], draws)


def _present(frames: LabelledFeatures) -> NDArray[np.int8]:
    return (frames.label_FA >= PRESENT_FROM).astype(np.int8)


DETECTION = {"auc": detection.auc, "f1": detection.f1}
INTENSITY = {"r": intensity.pcc, "icc": intensity.icc, "mae": intensity.mae}
