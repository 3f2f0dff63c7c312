"""Ridge regression of any targets on frozen features, for several strengths from one decomposition.

    W = argmin |X W - Y|^2 + strength * F * |W|^2,   X standardised on the frames that are fitted

Axes: F frames, D features, K targets.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pretrain.metrics.people import Floats

STRENGTHS = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0, 30.0)


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
        moment_EK = self._moments(target_FK)
        return [self._weights(moment_EK, strength) for strength in STRENGTHS]

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

    def fit_at(self, strength: float, target_FK: NDArray[np.generic]) -> Callable[[Floats], Floats]:
        """A linear map from features to targets, of a strength chosen beforehand."""
        target = target_FK.astype(np.float64)
        level_K = target.mean(axis=0)
        weight_DK = self._weights(self._moments(target - level_K), strength)
        return lambda feature_FD: self._standardised(feature_FD) @ weight_DK + level_K

    def _moments(self, target_FK: Floats) -> Floats:
        return np.asarray(self._vector_DE.T @ (self._input_FD.T @ target_FK) / len(target_FK))

    def _weights(self, moment_EK: Floats, strength: float) -> Floats:
        return np.asarray(self._vector_DE @ (moment_EK / (self._value_E[:, None] + strength)))

    def _standardised(self, feature_FD: Floats) -> Floats:
        return np.asarray((feature_FD - self._mean_D) / self._std_D)
