"""Linear readout of frozen features: ridge regression of intensities, its strength chosen on other people.

    W = argmin |X W - Y|^2 + strength * F * |W|^2,   X standardised on the training frames

Detection thresholds are chosen on the validation people too. Axes: F frames, D features, A AUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.detection import DetectionSums, best_thresholds, detection_sums
from pretrain.metrics.intensity import MAX_INTENSITY, IntensitySums, intensity_sums, pcc
from pretrain.metrics.people import mean_over_aus

STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0, 30.0)
THRESHOLDS = tuple(float(value) for value in np.arange(0.1, 4.0, 0.1))
PRESENT_FROM = 2
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frames:
    """Features of labelled frames."""

    feature_FD: Floats
    label_FA: NDArray[np.int8]
    person_F: Sequence[str]
    rotation_F3: Floats
    """Of the head, in radians: what a feature of behaviour need not know."""


@dataclass(frozen=True)
class Scores:
    """Sums per tested person, from which every score and interval follows."""

    detection: DetectionSums
    intensity: IntensitySums
    pose_r: float
    """Correlation of the read-out head rotation with the true one, mean over pitch, yaw and roll."""


def score_probe(train: Frames, validation: Frames, test: Frames) -> Scores:
    """Fit on `train`, choose on `validation`, score on `test`."""
    mean_D, std_D = train.feature_FD.mean(axis=0), train.feature_FD.std(axis=0) + 1e-9
    inputs, known, unseen = ((part.feature_FD - mean_D) / std_D for part in (train, validation, test))
    level_A = train.label_FA.mean(axis=0)

    def mean_r(values_FA: Floats) -> float:
        sums = intensity_sums(values_FA + level_A, validation.label_FA, validation.person_F)
        return float(mean_over_aus(pcc(sums)))

    def pose_r(values_F3: Floats, part: Frames) -> float:
        pairs = zip(values_F3.T, part.rotation_F3.T, strict=True)
        return float(np.mean([np.corrcoef(found_F, true_F)[0, 1] for found_F, true_F in pairs]))

    weight_DA = max(ridge(inputs, train.label_FA - level_A), key=lambda w_DA: mean_r(known @ w_DA))
    centred_F3 = train.rotation_F3 - train.rotation_F3.mean(axis=0)
    pose_D3 = max(ridge(inputs, centred_F3), key=lambda w_D3: pose_r(known @ w_D3, validation))
    seen_FA, test_FA = known @ weight_DA + level_A, unseen @ weight_DA + level_A
    threshold_A = best_thresholds(seen_FA, _present(validation), THRESHOLDS)
    return Scores(
        detection_sums(test_FA, threshold_A, _present(test), test.person_F),
        intensity_sums(test_FA.clip(0, MAX_INTENSITY), test.label_FA, test.person_F),
        pose_r(unseen @ pose_D3, test),
    )


def _present(frames: Frames) -> NDArray[np.int8]:
    return (frames.label_FA >= PRESENT_FROM).astype(np.int8)


def ridge(input_FD: Floats, target_FA: Floats) -> list[Floats]:
    """Weights `(D, A)` for every strength, from one decomposition."""
    gram_DD = input_FD.T @ input_FD / len(input_FD)
    moment_DA = input_FD.T @ target_FA / len(input_FD)
    value_D, vector_DD = np.linalg.eigh(gram_DD)
    rotated_DA = vector_DD.T @ moment_DA
    return [vector_DD @ (rotated_DA / (value_D[:, None] + strength)) for strength in STRENGTHS]


def some_labels(train: Frames, share: float, seed: int) -> Frames:
    """A random share of the frames, as if only they had been labelled."""
    count = max(2, round(share * len(train.feature_FD)))
    kept = np.sort(np.random.default_rng(seed).choice(len(train.feature_FD), count, replace=False))
    people = [train.person_F[place] for place in kept]
    return Frames(train.feature_FD[kept], train.label_FA[kept], people, train.rotation_F3[kept])
