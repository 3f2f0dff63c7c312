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


class Ridge:
    """The regressions of any targets on one set of training features, from one decomposition."""

    def __init__(self, input_FD: Floats) -> None:
        self._mean_D, self._std_D = input_FD.mean(axis=0), input_FD.std(axis=0) + 1e-9
        self._input_FD = self._standardised(input_FD)
        frames, features = input_FD.shape
        # X'X and XX' have the same values; of the smaller one, as few labelled frames then cost little.
        if features <= frames:
            self._value_E, self._vector_DE = np.linalg.eigh(self._input_FD.T @ self._input_FD / frames)
        else:
            value_E, vector_FE = np.linalg.eigh(self._input_FD @ self._input_FD.T / frames)
            kept = value_E > value_E[-1] * 1e-12
            self._value_E = value_E[kept]
            self._vector_DE = self._input_FD.T @ vector_FE[:, kept] / np.sqrt(self._value_E * frames)

    def weights(self, target_FK: Floats) -> list[Floats]:
        """Weights `(D, K)` for every strength, of centred targets."""
        moment_EK = self._vector_DE.T @ (self._input_FD.T @ target_FK) / len(target_FK)
        return [self._vector_DE @ (moment_EK / (self._value_E[:, None] + s)) for s in STRENGTHS]

    def fit(
        self, target_FK: NDArray[np.generic], known_FD: Floats, score: Callable[[Floats], float]
    ) -> Callable[[Floats], Floats]:
        """A linear map from features to targets, of the strength with the best score of `known_FD`."""
        target = target_FK.astype(np.float64)
        level_K = target.mean(axis=0)
        known = self._standardised(known_FD)
        best_DK = max(
            self.weights(target - level_K), key=lambda weight_DK: score(known @ weight_DK + level_K)
        )
        return lambda feature_FD: self._standardised(feature_FD) @ best_DK + level_K

    def _standardised(self, feature_FD: Floats) -> Floats:
        return np.asarray((feature_FD - self._mean_D) / self._std_D)


def read_out(
    train: LabelledFeatures,
    validation: LabelledFeatures,
    test: LabelledFeatures,
    ridge: Ridge | None = None,
) -> Readout:
    """Fit on `train`, choose on `validation`, score on `test`; `ridge` is of `train`, where it is there."""

    def mean_r(values_FA: Floats) -> float:
        sums = intensity.intensity_sums(values_FA, validation.label_FA, validation.person_F)
        return float(mean_over_aus(intensity.pcc(sums)))

    ridge = ridge or Ridge(train.feature_FD)
    predict = ridge.fit(train.label_FA, validation.feature_FD, mean_r)
    seen_FA, test_FA = predict(validation.feature_FD), predict(test.feature_FD)
    threshold_A = detection.best_thresholds(seen_FA, _present(validation), THRESHOLDS)
    return Readout(
        detection.detection_sums(test_FA, threshold_A, _present(test), test.person_F),
        intensity.intensity_sums(test_FA, test.label_FA, test.person_F),
    )


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
