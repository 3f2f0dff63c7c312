"""Intensity scores against the equations and closed cases."""

import numpy as np
import pytest

from pretrain.metrics.intensity import icc, intensity_sums, mae, mse, pcc


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
    for score in (icc, mae, mse, pcc):
        np.testing.assert_allclose(score(sums, weight_P), score(again))


def test_missing_labels_never_count():
    prediction_FA, label_FA, person_F = frames(2)
    other = np.where(label_FA == -1, 4.0, prediction_FA)
    for score in (icc, mae, mse, pcc):
        before, after = (score(intensity_sums(p, label_FA, person_F)) for p in (prediction_FA, other))
        np.testing.assert_array_equal(before, after)


def test_message():
    with pytest.raises(ValueError, match=r"labels must lie in -1..5 .* found 0..9"):
        intensity_sums(np.zeros((2, 1)), np.array([[0], [9]]), ["a", "b"])
