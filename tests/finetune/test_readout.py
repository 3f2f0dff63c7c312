"""Linear readout: the equation, what it can read, and paired intervals."""

import numpy as np
import pytest

from finetune.readout import LabelledFeatures, read_out, score_readouts, some_labels
from finetune.scored import Scored, difference

SCORES = ("auc", "r", "icc", "f1", "mae")


def frames(people: range, noise: float, seed: int, labels: int = 60) -> LabelledFeatures:
    """Features that hold the intensities of two AUs in a linear way, with noise."""
    rng = np.random.default_rng(seed)
    label_FA = rng.integers(0, 6, (len(people) * labels, 2)).astype(np.int8)
    mixing_AD = np.random.default_rng(0).normal(size=(2, 8))
    feature_FD = label_FA @ mixing_AD + noise * rng.normal(size=(len(label_FA), 8))
    return LabelledFeatures(feature_FD, label_FA, [f"p{p}" for p in people for _ in range(labels)])


def test_a_linear_feature_is_read_out_and_a_noisier_one_worse():
    rows = {}
    for noise in (0.01, 20.0):
        parts = [frames(range(10 * i, 10 * i + 8), noise, seed=i) for i in range(3)]
        rows[noise] = {name: score_readouts(name, [read_out(*parts)]) for name in SCORES}
    assert rows[0.01]["r"].mean > 0.99
    assert rows[0.01]["auc"].mean > 0.99
    assert rows[0.01]["f1"].mean > 0.95
    assert rows[0.01]["mae"].mean < 0.1
    assert difference(rows[0.01]["r"], rows[20.0]["r"])[1].low > 0


def test_a_feature_that_never_changes_does_no_harm():
    parts = [frames(range(10 * i, 10 * i + 8), 0.01, seed=i) for i in range(3)]
    with_constant = [
        LabelledFeatures(np.c_[part.feature_FD, np.ones(len(part.label_FA))], part.label_FA, part.person_F)
        for part in parts
    ]
    found, wanted = (score_readouts("r", [read_out(*these)]).mean for these in (with_constant, parts))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_few_labels_are_a_share_of_the_frames_and_the_same_for_a_seed():
    whole = frames(range(10), 1.0, seed=0)
    few = some_labels(whole, 0.02, seed=4)
    assert len(few.feature_FD) == len(few.label_FA) == len(few.person_F) == 12
    np.testing.assert_array_equal(few.feature_FD, some_labels(whole, 0.02, seed=4).feature_FD)
    assert not np.array_equal(few.feature_FD, some_labels(whole, 0.02, seed=5).feature_FD)


def test_a_difference_is_paired_over_people():
    draws_RA = np.random.default_rng(0).normal(size=(500, 1))
    one, other = Scored(np.array([0.5]), 0.5 + draws_RA), Scored(np.array([0.4]), 0.4 + draws_RA)
    assert difference(one, other)[0] == pytest.approx(0.1)
    assert difference(one, other)[1] == pytest.approx((0.1, 0.1))
