import numpy as np
import pytest

from pretrain.metrics.people import interval_over_people, mean_over_aus, percentile_interval, person_weights


def test_every_draw_has_as_many_people():
    weight_RP = person_weights(9, 500, seed=3)
    assert weight_RP.shape == (500, 9)
    assert (weight_RP.sum(axis=1) == 9).all()
    np.testing.assert_array_equal(weight_RP, person_weights(9, 500, seed=3))
    assert abs(weight_RP.mean() - 1) < 1e-12


def test_interval_of_a_mean_has_the_width_of_theory():
    values_P = np.random.default_rng(0).normal(size=200)
    draws_R = person_weights(200, 4000, seed=1) @ values_P / 200
    low, high = percentile_interval(draws_R)
    assert high - low == pytest.approx(2 * 1.96 * values_P.std() / np.sqrt(200), rel=0.05)


def test_interval_over_people_is_that_of_their_mean():
    values_P = np.random.default_rng(4).normal(size=40)
    wanted = percentile_interval(person_weights(40, 2000, 5) @ values_P / 40)
    assert interval_over_people(values_P, seed=5) == wanted
    assert wanted.low < values_P.mean() < wanted.high


def test_undefined_values_are_left_out():
    assert mean_over_aus(np.array([[1.0, np.nan, 3.0]]))[0] == 2.0
    assert np.isnan(mean_over_aus(np.array([np.nan])))
    assert np.isnan(percentile_interval(np.array([np.nan])).low)


def test_message():
    with pytest.raises(ValueError, match="at least one person"):
        person_weights(0, 10, seed=0)
