"""AU intensity scores on the 0-5 scale, pooled over frames: ICC(3,1), MAE, MSE, correlations.

For n frames and k = 2 raters (truth x, prediction y), Shrout and Fleiss 1979:

    ICC(3,1) = (BMS - EMS) / (BMS + (k - 1) EMS)
    BMS = k sum_i (m_i - g)^2 / (n - 1),   EMS = sum_ij (x_ij - m_i - r_j + g)^2 / ((n - 1)(k - 1))

which for two raters is 2 cov(x, y) / (var x + var y). The concordance correlation (Lin 1989, A concordance
correlation coefficient to evaluate reproducibility) takes another mean off, too, with moments divided by n:

    CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2)

All scores follow from sums per person.

Axes: F frames, A AUs, P people. Labels are 0..5, or -1 where nobody coded the frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.detection import check_frames
from pretrain.metrics.people import Floats

MAX_INTENSITY = 5


@dataclass(frozen=True)
class IntensitySums:
    """What each person contributes; frames without a label contribute nothing."""

    people: list[str]
    frames_PA: Floats
    truth_PA: Floats
    prediction_PA: Floats
    truth_squared_PA: Floats
    prediction_squared_PA: Floats
    product_PA: Floats
    absolute_error_PA: Floats


def intensity_sums(
    prediction_FA: NDArray[np.floating], label_FA: NDArray[np.integer], person_F: Sequence[str]
) -> IntensitySums:
    """Sum per person; predictions are clipped to 0..5 and not rounded.

    Raises:
        ValueError: shapes disagree, a label lies outside -1..5, or a prediction is not finite.
    """
    prediction = np.asarray(prediction_FA, np.float64)
    check_frames(prediction, label_FA, person_F, (-1, MAX_INTENSITY))
    prediction = prediction.clip(0.0, MAX_INTENSITY)
    truth_FA = label_FA.astype(np.float64)
    people, index_F = np.unique(np.asarray(person_F), return_inverse=True)

    def per_person(values_FA: Floats) -> Floats:
        sums_PA = np.zeros((len(people), values_FA.shape[1]))
        np.add.at(sums_PA, index_F, np.where(label_FA >= 0, values_FA, 0.0))
        return sums_PA

    return IntensitySums(
        people=[str(person) for person in people],
        frames_PA=per_person(np.ones_like(truth_FA)),
        truth_PA=per_person(truth_FA),
        prediction_PA=per_person(prediction),
        truth_squared_PA=per_person(truth_FA**2),
        prediction_squared_PA=per_person(prediction**2),
        product_PA=per_person(truth_FA * prediction),
        absolute_error_PA=per_person(np.abs(truth_FA - prediction)),
    )


def icc(sums: IntensitySums, weight_P: Floats | None = None) -> Floats:
    """ICC(3,1) per AU `(A,)`; `weight_P` may lead with draws `(R, P)` -> `(R, A)`.

    A constant prediction gives 0; NaN where truth and prediction are both constant.
    """
    variance_x, variance_y, covariance = _moments(sums, weight_P)
    total = variance_x + variance_y
    return np.where(total > 0, 2 * covariance / np.where(total > 0, total, 1.0), np.nan)


def pcc(sums: IntensitySums, weight_P: Floats | None = None) -> Floats:
    """Pearson correlation per AU, 0 for a constant prediction, NaN for a constant truth; axes as `icc`."""
    variance_x, variance_y, covariance = _moments(sums, weight_P)
    scale = np.sqrt(variance_x * variance_y)
    value = covariance / np.where(scale > 0, scale, 1.0)
    return np.where(variance_x > 0, value, np.nan)


def ccc(sums: IntensitySums, weight_P: Floats | None = None) -> Floats:
    """Concordance correlation per AU, 0 for a constant prediction, NaN for constant truth; axes as `icc`."""
    variance_x, variance_y, covariance = _moments(sums, weight_P)
    mean_x, mean_y = _per_frame(sums, sums.truth_PA, weight_P), _per_frame(sums, sums.prediction_PA, weight_P)
    total = variance_x + variance_y + (mean_x - mean_y) ** 2
    return np.where(variance_x > 0, 2 * covariance / np.where(variance_x > 0, total, 1.0), np.nan)


def mae(sums: IntensitySums, weight_P: Floats | None = None) -> Floats:
    """Mean absolute error per AU in intensity units; axes as `icc`."""
    return _per_frame(sums, sums.absolute_error_PA, weight_P)


def mse(sums: IntensitySums, weight_P: Floats | None = None) -> Floats:
    """Mean squared error per AU in squared intensity units; axes as `icc`."""
    squared_PA = sums.truth_squared_PA + sums.prediction_squared_PA - 2 * sums.product_PA
    return np.maximum(_per_frame(sums, squared_PA, weight_P), 0.0)


def _per_frame(sums: IntensitySums, values_PA: Floats, weight_P: Floats | None) -> Floats:
    weight_P = np.ones(len(sums.people)) if weight_P is None else weight_P
    frames_A = weight_P @ sums.frames_PA
    return np.where(frames_A > 0, weight_P @ values_PA / np.maximum(frames_A, 1), np.nan)


def _moments(sums: IntensitySums, weight_P: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Variances of truth and prediction and their covariance, over frames (divided by n)."""
    mean_x, mean_y = _per_frame(sums, sums.truth_PA, weight_P), _per_frame(sums, sums.prediction_PA, weight_P)
    square_x = _per_frame(sums, sums.truth_squared_PA, weight_P)
    square_y = _per_frame(sums, sums.prediction_squared_PA, weight_P)
    covariance = _per_frame(sums, sums.product_PA, weight_P) - mean_x * mean_y
    # What rounding leaves of a constant's variance must count as none, or a correlation of noise comes out.
    variance_x = np.where(square_x - mean_x**2 > 1e-11 * square_x, square_x - mean_x**2, 0.0)
    variance_y = np.where(square_y - mean_y**2 > 1e-11 * square_y, square_y - mean_y**2, 0.0)
    return variance_x, variance_y, np.where((variance_x > 0) & (variance_y > 0), covariance, 0.0)
