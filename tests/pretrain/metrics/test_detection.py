"""Detection scores against loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from pretrain.metrics.detection import accuracy, auc, best_thresholds, detection_sums, everything_present, f1


def frames(seed=0, count=400, aus=4):
    generator = np.random.default_rng(seed)
    label_FA = generator.choice([-1, 0, 1], size=(count, aus), p=[0.1, 0.6, 0.3])
    score_FA = np.round(generator.random((count, aus)) * 0.7 + 0.3 * (label_FA == 1), 2)
    person_F = [f"p{index}" for index in generator.integers(0, 7, count)]
    return score_FA, label_FA, person_F


def test_pooled_scores_equal_scikit_learn_on_the_labelled_frames():
    score_FA, label_FA, person_F = frames()
    threshold_A = np.array([0.5, 0.4, 0.6, 0.5])
    sums = detection_sums(score_FA, threshold_A, label_FA, person_F)
    for au in range(4):
        kept = label_FA[:, au] >= 0
        truth, score = label_FA[kept, au], score_FA[kept, au]
        present = score >= threshold_A[au]
        assert f1(sums)[au] == pytest.approx(f1_score(truth, present))
        assert accuracy(sums)[au] == pytest.approx(accuracy_score(truth, present))
        assert auc(sums)[au] == pytest.approx(roc_auc_score(truth, score))


def test_f1_equals_the_equation_read_literally():
    score_FA, label_FA, person_F = frames(1)
    sums = detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F)
    for au in range(4):
        hits = false_alarms = misses = 0
        for score, label in zip(score_FA[:, au], label_FA[:, au], strict=True):
            hits += label == 1 and score >= 0.5
            false_alarms += label == 0 and score >= 0.5
            misses += label == 1 and score < 0.5
        precision, recall = hits / (hits + false_alarms), hits / (hits + misses)
        assert f1(sums)[au] == pytest.approx(2 * precision * recall / (precision + recall))


def test_weights_equal_repeating_the_people():
    score_FA, label_FA, person_F = frames(2)
    sums = detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F)
    weight_P = np.array([2.0, 0, 1, 3, 0, 1, 0])
    rows = [i for i, person in enumerate(person_F) for _ in range(int(weight_P[int(person[1:])]))]
    again = detection_sums(score_FA[rows], np.full(4, 0.5), label_FA[rows], [person_F[i] for i in rows])
    for score in (f1, accuracy, auc):
        np.testing.assert_allclose(score(sums, weight_P), score(again))
        np.testing.assert_allclose(score(sums, np.stack([weight_P, weight_P]))[1], score(again))


def test_missing_labels_never_count():
    score_FA, label_FA, person_F = frames(3)
    other = np.where(label_FA == -1, 1 - score_FA, score_FA)
    before = detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F)
    after = detection_sums(other, np.full(4, 0.5), label_FA, person_F)
    for score in (f1, accuracy, auc):
        np.testing.assert_array_equal(score(before), score(after))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(0, 20))
def test_order_and_unlabelled_frames_change_nothing(seed, count, unlabelled):
    generator = np.random.default_rng(seed)
    score_FA, label_FA, person_F = frames(seed, count)
    before = detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F)
    owners = generator.choice(sorted(set(person_F)), unlabelled).tolist()
    order = generator.permutation(count + unlabelled)
    after = detection_sums(
        np.concatenate([score_FA, generator.random((unlabelled, 4))])[order],
        np.full(4, 0.5),
        np.concatenate([label_FA, np.full((unlabelled, 4), -1)])[order],
        [[*person_F, *owners][place] for place in order],
    )
    assert after.people == before.people
    for score in (f1, accuracy, auc):
        np.testing.assert_array_equal(score(after), score(before))


def test_everything_present_scores_twice_the_rate_over_one_plus_the_rate():
    score_FA, label_FA, person_F = frames(4)
    row = everything_present(detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F))
    rate_A = (label_FA == 1).sum(0) / (label_FA >= 0).sum(0)
    np.testing.assert_allclose(f1(row), 2 * rate_A / (1 + rate_A))
    np.testing.assert_allclose(auc(row), 0.5)


def test_undefined_scores_are_nan_and_the_guard_is_zero():
    label_FA = np.array([[0, -1], [0, -1]])
    sums = detection_sums(np.zeros((2, 2)), np.full(2, 0.5), label_FA, ["a", "b"])
    assert f1(sums)[0] == 0.0
    assert np.isnan(f1(sums)[1])
    assert np.isnan(auc(sums)).all()


def test_best_threshold_is_the_best_candidate_nearest_to_a_half():
    label_FA = np.array([[1, 0], [1, 0], [0, 0], [0, -1]])
    score_FA = np.array([[0.3, 0.1], [0.35, 0.2], [0.1, 0.9], [0.15, 0.4]])
    np.testing.assert_allclose(best_thresholds(score_FA, label_FA, [0.1, 0.2, 0.3, 0.5, 0.9]), [0.3, 0.5])


def test_messages():
    score_FA, label_FA, person_F = frames()
    with pytest.raises(ValueError, match=r"labels must lie in -1..1 with -1 for missing, found -1..9"):
        detection_sums(score_FA, np.full(4, 0.5), np.where(label_FA == 1, 9, label_FA), person_F)
    bad = score_FA.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="1 predictions are not finite"):
        detection_sums(bad, np.full(4, 0.5), label_FA, person_F)
    with pytest.raises(ValueError, match="one person per frame wanted"):
        detection_sums(score_FA, np.full(4, 0.5), label_FA, person_F[:-1])
    with pytest.raises(ValueError, match="one threshold per AU wanted"):
        detection_sums(score_FA, np.full(3, 0.5), label_FA, person_F)
