"""Order of training data: union, disjointness, invariance and the batch policies, over many shapes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.batch import ClipSpec
from shards.errors import ManifestMismatchError, ShardError
from shards.plan import EvaluationPlan, Plan, PlanColumns, refuse_other_order, share_of


def columns(units: list[int], people: int, frames: int = 20, fps: float = 25.0) -> PlanColumns:
    """`units[u]` rows in unit u; people dealt in turn."""
    rows = sum(units)
    return PlanColumns(
        digest="set",
        unit=np.repeat(np.arange(len(units)), units),
        identity=np.arange(rows) % people,
        num_frames=np.full(rows, frames),
        time_start=np.arange(rows) * frames,
        time_seconds=np.tile(np.arange(frames) / fps, rows),
    )


SPEC = ClipSpec(4, (0.08, 0.16), extra_frames=2)
shapes = st.tuples(
    st.lists(st.integers(1, 12), min_size=1, max_size=7),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 5),
)


@settings(max_examples=60, deadline=None)
@given(shapes, st.sampled_from(["any", "distinct_identity"]))
def test_each_epoch_visits_each_row_once(shape, policy):
    units, people, batch, window, seed = shape
    plan = Plan(columns(units, people), SPEC, batch, seed, policy, window_units=window)
    clips = [clip for step in range(3 * plan.num_rows // batch + 1) for clip in plan.batch(step)]
    for epoch in range(2):
        visited = [clip.row for clip in clips if clip.position // plan.num_rows == epoch]
        assert sorted(visited) == list(range(sum(units)))
    assert [clip.position for clip in clips] == list(range(len(clips)))


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(0, 10))
def test_any_step_is_the_same_whoever_asks_first(shape, step):
    units, people, batch, window, seed = shape

    def make() -> Plan:
        return Plan(columns(units, people), SPEC, batch, seed, "distinct_identity", window_units=window)

    walked = make()
    for before in range(step):
        walked.batch(before)
    for one, other in zip(walked.batch(step), make().batch(step), strict=True):
        assert (one.position, one.row, one.augment_seed) == (other.position, other.row, other.augment_seed)
        assert np.array_equal(one.frames_T, other.frames_T)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_one_global_batch(ranks):
    plan = Plan(columns([10, 6], 8), SPEC, 8, seed=3)
    for step in range(5):
        whole = plan.batch(step)
        parts = [clip for rank in range(ranks) for clip in share_of(whole, rank, ranks)]
        assert [clip.position for clip in parts] == [clip.position for clip in whole]


def test_indivisible_batch_names_a_number_that_works():
    with pytest.raises(ValueError, match="8 clips does not divide by 3 ranks; use 6 clips"):
        share_of(Plan(columns([10], 5), SPEC, 8).batch(0), 0, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 20))
def test_distinct_identity_has_no_duplicate_where_there_are_people_enough(
    batch, rows_per_person, units, seed
):
    """Twice as many people as clips, with equally many rows each: no batch repeats one, across epochs too."""
    people = 2 * batch + seed % 3
    per_unit = [people * rows_per_person // units] * units
    per_unit[0] += people * rows_per_person - sum(per_unit)
    plan = Plan(columns(per_unit, people), SPEC, batch, seed, "distinct_identity")
    assert sum(plan.duplicate_identities(step) for step in range(3 * plan.num_rows // batch)) == 0


def test_distinct_identity_counts_what_it_cannot_avoid():
    plan = Plan(columns([8], people=2), SPEC, 4, policy="distinct_identity")
    assert plan.duplicate_identities(0) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.integers(6, 60),
    st.integers(2, 6),
    st.floats(0.04, 0.4),
    st.floats(0.0, 0.4),
    st.integers(0, 1000),
)
def test_clips_keep_their_gap_in_seconds(frames, num_frames, low, extra, seed):
    spec = ClipSpec(num_frames, (low, low + extra))
    data = columns([1], 1, frames=frames)
    span = (frames - 1) / 25
    if span < (num_frames - 1) * low or frames < num_frames:
        with pytest.raises(ShardError, match="none of the 1 samples"):
            Plan(data, spec, 1, seed)
        return
    clip = Plan(data, spec, 1, seed).batch(0)[0]
    times = data.times(0)[clip.frames_T]
    gaps = np.diff(times)
    assert (gaps >= low - 0.0401).all()
    assert (gaps <= low + extra + 0.0401).all()


def test_extra_frames_are_other_frames():
    plan = Plan(columns([6], 6), SPEC, 6)
    for step in range(4):
        for clip in plan.batch(step):
            assert len(set(clip.frames_T.tolist())) == 6


def test_anchored_clips_show_an_anchor_with_context():
    anchors = {0: [3, 15], 2: [19], 3: []}
    spec = ClipSpec(8, left_context=5)
    plan = Plan(columns([4], 4), spec, 2, anchors=anchors)
    assert plan.num_rows == 2
    for step in range(30):
        for clip in plan.batch(step):
            shown = [anchor for anchor in anchors[clip.row] if anchor in clip.frames_T]
            assert shown
            assert any(np.flatnonzero(clip.frames_T == anchor)[0] >= min(5, anchor) for anchor in shown)
            assert np.array_equal(np.diff(clip.frames_T), np.ones(7))


def test_evaluation_reads_each_row_once_without_padding():
    plan = EvaluationPlan(columns([5, 2], 3, frames=3), ClipSpec(4, whole=True), 2, rows=[0, 3, 6])
    clips = [clip for step in range(plan.last_step) for clip in plan.batch(step)]
    assert [clip.row for clip in clips] == [0, 3, 6]
    assert clips[0].frames_T.tolist() == [0, 1, 2, -1]


def test_another_order_is_refused_naming_each_difference():
    data = columns([6], 6)
    stored = json.loads(json.dumps(Plan(data, SPEC, 4, seed=1).describe()))
    refuse_other_order(stored, Plan(data, SPEC, 4, seed=1))
    with pytest.raises(ManifestMismatchError, match=r"seed: 1 -> 2; global_batch: 4 -> 2"):
        refuse_other_order(stored, Plan(data, SPEC, 2, seed=2))
