"""Batch policies: what each promises of a batch, and how it counts what a set cannot give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.policies import (
    AnyOrder,
    ClassBalanced,
    Composing,
    DistinctIdentity,
    Grouped,
    Ordering,
    Window,
    policy_named,
)


def window_of(pairs: list[tuple[int, int]]) -> Window:
    """Rows 100, 101, ... of (person, group)."""
    person_N, group_N = np.array(pairs).T
    return Window(100 + np.arange(len(pairs)), person_N, group_N)


def composed(policy: Composing, window: Window, batch: int, seed: int = 0) -> Window:
    return window.take(policy.compose(window, batch, np.random.default_rng(seed)))


def test_each_policy_is_found_by_its_name():
    for policy in (AnyOrder(), DistinctIdentity(), ClassBalanced(), Grouped(4, 3, 2)):
        assert policy_named(policy.name) == policy
        assert isinstance(policy, Ordering) != isinstance(policy, Composing)
    with pytest.raises(ValueError, match=r"policy 'distinct' is unknown; wanted any, distinct_identity, "):
        policy_named("distinct")
    with pytest.raises(ValueError, match="at least 1 activity"):
        policy_named("grouped(0,2,2)")


rows = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 4)), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 9))
def test_grouped_batches_hold_so_many_of_each(data, activities, people, clips, seed):
    """A set with enough of everything: nothing is taken twice, and nothing without an activity."""
    pairs = [(p, a) for a in range(activities + 1) for p in range(people + 1) for _ in range(clips + 1)]
    pairs += [(9, -1)] * 5
    window = window_of(data.draw(st.permutations(pairs)))
    policy = Grouped(activities, people, clips)
    batch = composed(policy, window, policy.batch, seed)
    assert policy.violations(batch) == 0
    assert len(set(batch.row_N)) == policy.batch
    shape = (activities, people, clips)
    group_APR, person_APR = batch.group_N.reshape(shape), batch.identity_N.reshape(shape)
    assert len({int(group) for group in group_APR[:, 0, 0]}) == activities
    assert (group_APR >= 0).all()
    assert (group_APR == group_APR[:, :1, :1]).all()
    assert (person_APR == person_APR[:, :, :1]).all()
    assert all(len(set(person_PR[:, 0])) == people for person_PR in person_APR)


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_grouped_counts_what_the_window_cannot_give(pairs, activities, people, clips):
    window, policy = window_of(pairs), Grouped(activities, people, clips)
    if all(group < 0 for _, group in pairs):
        with pytest.raises(ValueError, match="needs samples with an activity"):
            composed(policy, window, policy.batch)
        return
    batch = composed(policy, window, policy.batch)
    of_pair = {pair: pairs.count(pair) for pair in pairs if pair[1] >= 0}
    people_of = {group: len({p for p, g in of_pair if g == group}) for _, group in of_pair}
    enough = sum(count >= people for count in people_of.values()) >= activities
    enough = enough and min(of_pair.values()) >= clips
    assert (policy.violations(batch) == 0) or not enough
    if len(people_of) < activities:
        assert policy.violations(batch) >= (activities - len(people_of)) * people * clips


def test_grouped_makes_batches_of_its_own_size_only():
    with pytest.raises(ValueError, match=r"grouped\(2,2,2\) makes batches of 8 clips, found global_batch=6"):
        composed(Grouped(2, 2, 2), window_of([(0, 0)]), 6)


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(1, 20), st.integers(0, 9))
def test_classes_come_equally_often(pairs, batch, seed):
    window = window_of(pairs)
    classes = {group for _, group in pairs if group >= 0}
    if not classes:
        with pytest.raises(ValueError, match="needs rows with a class"):
            composed(ClassBalanced(), window, batch, seed)
        return
    found = composed(ClassBalanced(), window, batch, seed)
    counts = [int((found.group_N == one).sum()) for one in classes]
    assert sum(counts) == batch
    assert max(counts) - min(counts) <= 1
    assert ClassBalanced().violations(found) == 0
    # A class's rows are taken equally often too.
    for one in classes:
        rows_of_class = window.row_N[window.group_N == one]
        taken = [int((found.row_N == row).sum()) for row in rows_of_class]
        assert max(taken) - min(taken) <= 1


def test_violations_are_counted():
    batch = window_of([(1, 0), (1, 0), (2, 1), (2, 1)])
    assert AnyOrder().violations(batch) == 0
    assert DistinctIdentity().violations(batch) == 2
    assert ClassBalanced().violations(batch) == 0
    assert ClassBalanced().violations(batch.take(np.array([0, 0, 0, 2]))) == 1
    assert Grouped(2, 1, 2).violations(batch) == 0
    assert Grouped(2, 1, 2).violations(batch.take(np.array([0, 0, 2, 3]))) == 1
