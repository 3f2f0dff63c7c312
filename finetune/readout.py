"""Linear readout of frozen features: ridge regression of intensities, its strength chosen on other people.

The regression is `pretrain.metrics.ridge`; detection thresholds are chosen on the validation people too.

Axes: F frames, D features, A AUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.neighbours import PRESENT_FROM
from finetune.scored import Scored, score_jobs
from pretrain.metrics import detection, intensity
from pretrain.metrics.people import DRAWS, Floats, mean_over_aus
from pretrain.metrics.ridge import Ridge

THRESHOLDS = tuple(float(value) for value in np.arange(0.1, 4.0, 0.1))


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
