"""Ridge regression: the equation, at every strength and at a fixed one."""

import numpy as np
import pytest

from pretrain.metrics.ridge import STRENGTHS, Ridge


@pytest.mark.parametrize("frames", [50, 8], ids=["more frames than features", "fewer"])
def test_ridge_solves_its_equation(frames):
    rng = np.random.default_rng(1)
    x_FD, y_FK = rng.normal(size=(frames, 12)) * 3 + 1, rng.normal(size=(frames, 3))
    x_FD = (x_FD - x_FD.mean(axis=0)) / x_FD.std(axis=0)
    y_FK -= y_FK.mean(axis=0)
    for strength, weight_DK in zip(STRENGTHS, Ridge(x_FD).weights(y_FK), strict=True):
        wanted = np.linalg.solve(x_FD.T @ x_FD + strength * frames * np.eye(12), x_FD.T @ y_FK)
        np.testing.assert_allclose(weight_DK, wanted, rtol=1e-5, atol=1e-8)


def test_a_fixed_strength_maps_raw_features_to_raw_targets():
    rng = np.random.default_rng(2)
    x_FD, y_FK, new_FD = (
        rng.normal(size=(40, 5)) * 3 + 1,
        rng.integers(0, 6, (40, 2)),
        rng.normal(size=(7, 5)),
    )
    centre, scale = x_FD.mean(axis=0), x_FD.std(axis=0)
    z_FD = (x_FD - centre) / scale
    gram_DD = z_FD.T @ z_FD + 0.7 * 40 * np.eye(5)
    weight_DK = np.linalg.solve(gram_DD, z_FD.T @ (y_FK - y_FK.mean(axis=0)))
    wanted_FK = (new_FD - centre) / scale @ weight_DK + y_FK.mean(axis=0)
    np.testing.assert_allclose(Ridge(x_FD).fit_at(0.7, y_FK)(new_FD), wanted_FK, rtol=1e-6)
