"""Intensity scores against the equations, other programs and closed cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pretrain.metrics.intensity import ccc, icc, intensity_sums, mae, mse, pcc

SCORES = (icc, mae, mse, pcc, ccc)
PINGOUIN_ICC = (0.5829839389925763, 0.672893866412342, 0.6871896959164572)
"""ICC(3,1) of `frames(0)` by pingouin 0.7.0, whose licence keeps it out of what is installed here."""


def frames(seed=0, count=300, aus=3):
    generator = np.random.default_rng(seed)
    label_FA = generator.choice([-1, 0, 0, 1, 2, 3, 4, 5], size=(count, aus))
    prediction_FA = label_FA * 0.5 + generator.normal(0.8, 1.0, (count, aus))
    return prediction_FA, label_FA, [f"p{index}" for index in generator.integers(0, 5, count)]


def literal_icc(truth, prediction):
    """Shrout and Fleiss 1979, term by term."""
    n, k = len(truth), 2
    x = [[float(a), float(b)] for a, b in zip(truth, prediction, strict=True)]
    frame_mean = [sum(row) / k for row in x]
    rater_mean = [sum(row[j] for row in x) / n for j in range(k)]
    grand = sum(rater_mean) / k
    between = k * sum((m - grand) ** 2 for m in frame_mean) / (n - 1)
    error = sum((x[i][j] - frame_mean[i] - rater_mean[j] + grand) ** 2 for i in range(n) for j in range(k))
    error /= (n - 1) * (k - 1)
    return (between - error) / (between + (k - 1) * error)


def literal_ccc(truth, prediction):
    """Lin 1989, with moments divided by n."""
    n = len(truth)
    mean_x, mean_y = sum(truth) / n, sum(prediction) / n
    both = sum((x - mean_x) * (y - mean_y) for x, y in zip(truth, prediction, strict=True)) / n
    squares = sum((x - mean_x) ** 2 for x in truth) / n + sum((y - mean_y) ** 2 for y in prediction) / n
    return 2 * both / (squares + (mean_x - mean_y) ** 2)


def test_scores_equal_those_of_other_programs():
    prediction_FA, label_FA, person_F = frames(0)
    sums = intensity_sums(prediction_FA, label_FA, person_F)
    for au in range(3):
        kept = np.flatnonzero(label_FA[:, au] >= 0)
        truth, prediction = label_FA[kept, au].astype(float), prediction_FA[kept, au].clip(0, 5)
        assert icc(sums)[au] == pytest.approx(PINGOUIN_ICC[au], rel=1e-9)
        assert pcc(sums)[au] == pytest.approx(stats.pearsonr(truth, prediction).statistic, rel=1e-9)
        assert ccc(sums)[au] == pytest.approx(literal_ccc(truth.tolist(), prediction.tolist()), rel=1e-9)


def test_concordance_falls_with_another_mean_where_correlation_does_not():
    label_FA = np.array([[0], [1], [2], [3]])
    shifted = intensity_sums(label_FA + 1.0, label_FA, ["a", "a", "b", "b"])
    # var x = var y = cov = 1.25, and the means differ by 1.
    assert ccc(shifted)[0] == pytest.approx(2.5 / 3.5)
    assert pcc(shifted)[0] == pytest.approx(1)
    constant = intensity_sums(np.full((4, 1), 0.3), label_FA, ["a", "a", "b", "b"])
    assert ccc(constant)[0] == 0
    nothing = intensity_sums(np.full((3, 1), 0.1), np.zeros((3, 1), int), ["a", "b", "c"])
    assert np.isnan(ccc(nothing)[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 20))
def test_order_and_unlabelled_frames_change_nothing(seed, count, unlabelled):
    generator = np.random.default_rng(seed)
    prediction_FA, label_FA, person_F = frames(seed, count)
    before = intensity_sums(prediction_FA, label_FA, person_F)
    more = generator.normal(2, 3, (unlabelled, 3))
    owners = generator.choice(sorted(set(person_F)), unlabelled).tolist()
    order = generator.permutation(count + unlabelled)
    after = intensity_sums(
        np.concatenate([prediction_FA, more])[order],
        np.concatenate([label_FA, np.full((unlabelled, 3), -1)])[order],
        [[*person_F, *owners][place] for place in order],
    )
    assert after.people == before.people
    for score in SCORES:
        np.testing.assert_allclose(score(after), score(before), rtol=1e-7, atol=1e-9)


def test_scores_equal_the_equations():
    prediction_FA, label_FA, person_F = frames()
    sums = intensity_sums(prediction_FA, label_FA, person_F)
    for au in range(3):
        kept = label_FA[:, au] >= 0
        truth, prediction = label_FA[kept, au], prediction_FA[kept, au].clip(0, 5)
        assert icc(sums)[au] == pytest.approx(literal_icc(truth, prediction))
        assert mae(sums)[au] == pytest.approx(np.abs(truth - prediction).mean())
        assert mse(sums)[au] == pytest.approx(((truth - prediction) ** 2).mean())
        assert pcc(sums)[au] == pytest.approx(np.corrcoef(truth, prediction)[0, 1])


def test_closed_cases():
    label_FA = np.array([[0], [1], [2], [3]])
    people = ["a", "a", "b", "b"]
    same = intensity_sums(label_FA.astype(float), label_FA, people)
    shifted = intensity_sums(label_FA + 0.7, label_FA, people)
    constant = intensity_sums(np.full((4, 1), 0.3), label_FA, people)
    assert icc(same)[0] == pytest.approx(1)
    assert mse(same)[0] == 0
    assert icc(shifted)[0] == pytest.approx(1)
    assert mae(shifted)[0] == pytest.approx(0.7)
    assert icc(constant)[0] == 0
    assert pcc(constant)[0] == 0


def test_a_constant_truth_is_undefined():
    nothing = intensity_sums(np.full((3, 1), 0.1), np.zeros((3, 1), int), ["a", "b", "c"])
    assert np.isnan(icc(nothing)[0])
    assert np.isnan(pcc(nothing)[0])


def test_weights_equal_repeating_the_people():
    prediction_FA, label_FA, person_F = frames(1)
    weight_P = np.array([0.0, 2, 1, 0, 2])
    rows = [i for i, person in enumerate(person_F) for _ in range(int(weight_P[int(person[1:])]))]
    sums = intensity_sums(prediction_FA, label_FA, person_F)
    again = intensity_sums(prediction_FA[rows], label_FA[rows], [person_F[i] for i in rows])
    for score in SCORES:
        np.testing.assert_allclose(score(sums, weight_P), score(again))


def test_missing_labels_never_count():
    prediction_FA, label_FA, person_F = frames(2)
    other = np.where(label_FA == -1, 4.0, prediction_FA)
    for score in SCORES:
        before, after = (score(intensity_sums(p, label_FA, person_F)) for p in (prediction_FA, other))
        np.testing.assert_array_equal(before, after)


def test_message():
    with pytest.raises(ValueError, match=r"labels must lie in -1..5 .* found 0..9"):
        intensity_sums(np.zeros((2, 1)), np.array([[0], [9]]), ["a", "b"])
