"""Arranging a window: every row once, head and tail where they belong, nobody twice where that can be."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.distinct import distinct_batches

windows = st.tuples(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 3),
)


def arranged(
    people: list[int], following: list[int], batch: int, head: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places in their new order, and their people."""
    identity = np.array(people)
    order = distinct_batches(identity, np.array(following), head % batch, batch, np.random.default_rng(seed))
    return order, identity[order]


def repeats(person_N: np.ndarray) -> int:
    return len(person_N) - len(np.unique(person_N))


@settings(max_examples=150, deadline=None)
@given(windows)
def test_every_row_comes_once_and_equal_arguments_give_equal_orders(window):
    order, _ = arranged(*window)
    assert sorted(order) == list(range(len(window[0])))
    assert np.array_equal(order, arranged(*window)[0])


@settings(max_examples=150, deadline=None)
@given(windows)
def test_the_head_shows_as_many_people_as_there_are(window):
    people, _, batch, head, _ = window
    _, person = arranged(*window)
    taken = min(head % batch, len(people))
    assert len(np.unique(person[:taken])) == min(taken, len(set(people)))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 20))
def test_full_batches_repeat_nobody_who_has_at_most_one_row_per_batch(full, batch, seed):
    """Gale and Ryser: with every person in at most `full` of the rows, they can all be kept apart."""
    rng = np.random.default_rng(seed)
    people: list[int] = []
    while len(people) < full * batch:
        count = min(int(rng.integers(1, full + 1)), full * batch - len(people))
        people += [len(people)] * count
    people = rng.permutation(people).tolist()
    _, person = arranged(people, [0], batch, 0, seed)
    assert all(repeats(part) == 0 for part in person.reshape(full, batch))


def test_what_cannot_be_kept_apart_is_spread_evenly():
    _, person = arranged([1] * 6 + [2] * 2, [3], batch=4, head=0, seed=0)
    assert sorted((part == 2).sum() for part in person.reshape(2, 4)) == [1, 1]


def test_the_tail_avoids_the_people_of_the_next_windows_head():
    # 5 rows in batches of 4: the last row shares its batch with 3 rows of the next window.
    people, following = [1, 2, 3, 4, 5], [1, 2, 3, 4]
    for seed in range(10):
        _, person = arranged(people, following, batch=4, head=0, seed=seed)
        head = arranged(following, [9], batch=4, head=3, seed=seed)[1][:3]
        assert person[-1] not in head


def test_another_seed_gives_another_order():
    people = list(range(24))
    assert len({tuple(arranged(people, [0], 6, 0, seed)[0]) for seed in range(5)}) == 5
