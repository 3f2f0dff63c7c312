"""How well features tell the head's rotation, which a feature of behaviour need not know.

Axes: F frames, D features.
"""

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.ridge import Ridge

Floats = NDArray[np.float64]
Posed = tuple[Floats, Floats]
"""Features `(F, D)` and pitch, yaw and roll `(F, 3)` in radians."""


def pose_r(ridge: Ridge, train_F3: Floats, validation: Posed, test: Posed) -> float:
    """Correlation of the linear readout with the true rotation, mean over pitch, yaw and roll.

    `ridge` is of the training frames' features.
    """
    predict = ridge.fit(train_F3, validation[0], lambda found_F3: mean_r(found_F3, validation[1]))
    return mean_r(predict(test[0]), test[1])


def mean_r(found_F3: Floats, true_F3: Floats) -> float:
    """Mean of the three correlations."""
    pairs = zip(found_F3.T, true_F3.T, strict=True)
    return float(np.mean([np.corrcoef(found_F, true_F)[0, 1] for found_F, true_F in pairs]))
