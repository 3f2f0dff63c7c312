import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from pretrain.metrics.expression import class_accuracy, class_f1, commonest, expression_sums, recall
from pretrain.metrics.people import mean_over_aus, person_weights

CLASSES = 4


def frames(seed, count=300, people=6, shown=CLASSES):
    """Scores that lean to the truth, unequal classes, and a tenth of the frames without a label."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, shown + 1) ** 2.0
    label_F = rng.choice(shown, size=count, p=share / share.sum())
    score_FK = rng.normal(size=(count, CLASSES)) + 1.5 * np.eye(CLASSES)[label_F]
    label_F = np.where(rng.random(count) < 0.1, -1, label_F)
    return score_FK, label_F, [f"p{number}" for number in rng.integers(people, size=count)]


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(seed):
    score_FK, label_F, person_F = frames(seed)
    sums = expression_sums(score_FK, label_F, person_F)
    truth, called = label_F[label_F >= 0], score_FK.argmax(1)[label_F >= 0]
    np.testing.assert_array_equal(sums.confusion_PKK.sum(0), confusion_matrix(truth, called))
    np.testing.assert_allclose(recall(sums), recall_score(truth, called, average=None))
    assert mean_over_aus(recall(sums)) == pytest.approx(balanced_accuracy_score(truth, called))
    np.testing.assert_allclose(class_f1(sums), f1_score(truth, called, average=None))
    np.testing.assert_allclose(class_accuracy(sums), accuracy_score(truth, called))


def test_an_expression_that_nobody_shows_is_left_out_of_the_mean():
    score_FK, label_F, person_F = frames(0, shown=3)
    sums = expression_sums(score_FK, label_F, person_F)
    value_K = recall(sums)
    assert np.isnan(value_K[3])
    assert np.isnan(class_f1(sums)[3])
    assert mean_over_aus(value_K) == pytest.approx(value_K[:3].mean())
    assert mean_over_aus(class_accuracy(sums)) == class_accuracy(sums)[0]


def test_weights_are_people_taken_so_often():
    score_FK, label_F, person_F = frames(1)
    sums = expression_sums(score_FK, label_F, person_F)
    weight_RP = person_weights(len(sums.people), 5, seed=3)
    for score in (recall, class_f1, class_accuracy):
        drawn_RK = score(sums, weight_RP)
        for weight_P, value_K in zip(weight_RP, drawn_RK, strict=True):
            taken = [
                frame
                for person, times in zip(sums.people, weight_P, strict=True)
                for _ in range(int(times))
                for frame in np.flatnonzero([name == person for name in person_F])
            ]
            again = expression_sums(score_FK[taken], label_F[taken], [str(i) for i in range(len(taken))])
            np.testing.assert_allclose(value_K, score(again))


def test_frames_without_a_label_and_their_order_change_nothing():
    score_FK, label_F, person_F = frames(2)
    order = np.random.default_rng(0).permutation(len(label_F))
    more = np.concatenate([order, order[:50]])
    label = np.concatenate([label_F[order], np.full(50, -1)])
    again = expression_sums(score_FK[more], label, [person_F[frame] for frame in more])
    sums = expression_sums(score_FK, label_F, person_F)
    assert again.people == sums.people
    np.testing.assert_array_equal(again.confusion_PKK, sums.confusion_PKK)


def test_the_commonest_expression_has_a_kth_of_the_recall():
    score_FK, label_F, person_F = frames(3)
    sums = commonest(expression_sums(score_FK, label_F, person_F))
    assert mean_over_aus(recall(sums)) == pytest.approx(1 / CLASSES)
    shares = np.bincount(label_F[label_F >= 0]) / (label_F >= 0).sum()
    assert class_accuracy(sums)[0] == pytest.approx(shares.max())


def test_messages():
    score_FK, label_F, person_F = frames(4)
    with pytest.raises(ValueError, match=r"found \(300, 4\), \(299,\) and 300 people"):
        expression_sums(score_FK, label_F[1:], person_F)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.3 with -1 for missing, found -1\.\.4"):
        expression_sums(score_FK, np.where(label_F == 3, 4, label_F), person_F)
    with pytest.raises(ValueError, match="1 predictions are not finite"):
        expression_sums(np.where(np.arange(1200).reshape(300, 4) == 7, np.nan, score_FK), label_F, person_F)
    with pytest.raises(ValueError, match="no frames to score"):
        expression_sums(score_FK[:0], label_F[:0], [])
