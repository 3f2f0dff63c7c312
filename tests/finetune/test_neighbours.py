import numpy as np
import pytest

from finetune.neighbours import (
    Agreement,
    agreement,
    chance,
    gain,
    nearest_of_others,
    overlap,
    queries,
    shown_aus,
)

PEOPLE = ["a", "a", "b", "b", "c"]


def test_neighbours_are_one_frame_of_each_other_person_by_cosine():
    vectors = np.array([[1.0, 0.1], [0.9, 0.0], [1.0, 0.12], [-1.0, 0.0], [0.0, 1.0]])
    order = nearest_of_others(vectors, PEOPLE, 2)
    assert order.shape == (5, 2)
    assert order[0].tolist() == [2, 4]
    people = np.array(PEOPLE)
    for frame, near in enumerate(order):
        assert people[frame] not in people[near]
        assert len(set(people[near])) == 2
    assert nearest_of_others(vectors, PEOPLE, 9).shape == (5, 2)


def test_the_mean_and_the_length_of_vectors_do_not_matter():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(
        nearest_of_others(vectors, PEOPLE, 2), nearest_of_others(7 * vectors + 3, PEOPLE, 2)
    )


def test_one_person_alone_is_refused():
    with pytest.raises(ValueError, match="at least two people wanted, found only a"):
        nearest_of_others(np.eye(2), ["a", "a"], 1)


def test_overlap_is_intersection_over_union():
    shown = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], bool)
    np.testing.assert_allclose(overlap(shown), [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])


def test_agreement_against_its_definition():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 4, (5, 3)).astype(np.int8)
    label[1] = 0  # shows nothing, so it does not ask
    order = nearest_of_others(rng.normal(size=(5, 4)), PEOPLE, 2)

    def one(i, j):
        first, second = set(np.flatnonzero(label[i] >= 2)), set(np.flatnonzero(label[j] >= 2))
        return len(first & second) / len(first | second)

    asks = [i for i in range(5) if (label[i] >= 2).any()]
    by_person = {p: [np.mean([one(i, j) for j in order[i]]) for i in asks if PEOPLE[i] == p] for p in "abc"}
    wanted = [np.mean(values) for values in by_person.values() if values]
    np.testing.assert_allclose(agreement(label, PEOPLE, order).mean_P, wanted)
    others = {i: [j for j in range(5) if PEOPLE[j] != PEOPLE[i]] for i in asks}
    wanted = [
        np.mean([np.mean([one(i, j) for j in others[i]]) for i in asks if PEOPLE[i] == p])
        for p in "abc"
        if by_person[p]
    ]
    np.testing.assert_allclose(chance(label, PEOPLE).mean_P, wanted)


def test_features_that_are_the_labels_agree_and_noise_does_not():
    rng = np.random.default_rng(2)
    people = [f"p{i // 20}" for i in range(160)]
    label = (rng.random((160, 4)) < 0.4).astype(np.int8) * 3
    good = agreement(label, people, nearest_of_others(label + 0.0, people, 3))
    noise = agreement(label, people, nearest_of_others(rng.normal(size=(160, 4)), people, 3))
    by_chance = chance(label, people)
    assert gain(good, by_chance)[1].low > 0.2
    low, high = gain(noise, by_chance)[1]
    assert low < 0 < high
    assert good.interval.low < good.value < good.interval.high


def test_gain_is_paired_by_person():
    first, second = Agreement(np.array([0.5, 0.9])), Agreement(np.array([0.4, 0.8]))
    value, interval = gain(first, second)
    assert value == pytest.approx(0.1)
    assert tuple(interval) == pytest.approx((0.1, 0.1))


def test_queries_are_each_persons_most_intense_frame():
    label = np.array([[0, 1], [3, 0], [5, 5], [0, 0], [-1, 4]], np.int8)
    assert queries(label, PEOPLE, 2) == [2, 4]
    assert shown_aus(label)[4].tolist() == [False, True]
