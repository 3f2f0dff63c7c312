"""Order of training data: union, disjointness, invariance and the batch policies, over many shapes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.batch import ClipSpec
from shards.errors import ManifestMismatchError, ShardError
from shards.plan import Plan, PlannedClip, refuse_other_order
from shards.policies import AnyOrder, ClassBalanced, DistinctIdentity, Grouped
from tests.planned_set import MadeRow, PlannedRows, people_in_turn, pieces

SPEC = ClipSpec(4, (0.08, 0.16), extra_frames=2)
shapes = st.tuples(
    st.lists(st.integers(1, 12), min_size=1, max_size=7),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 5),
)


def facts(clip: PlannedClip) -> tuple[object, ...]:
    return clip.position, clip.row, clip.augment_seed, clip.rows_T.tolist(), clip.frames_T.tolist()


@settings(max_examples=60, deadline=None)
@given(shapes, st.sampled_from([AnyOrder(), DistinctIdentity()]))
def test_each_epoch_visits_each_row_once(shape, policy):
    units, people, batch, window, seed = shape
    plan = Plan(people_in_turn(units, people), SPEC, batch, seed, policy, window_rows=window)
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
        return Plan(people_in_turn(units, people), SPEC, batch, seed, DistinctIdentity(), window_rows=window)

    walked = make()
    for before in range(step):
        walked.batch(before)
    assert list(map(facts, walked.batch(step))) == list(map(facts, make().batch(step)))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_one_global_batch(ranks):
    plan = Plan(people_in_turn([10, 6], 8), SPEC, 8, seed=3)
    for step in range(5):
        whole = plan.batch(step)
        parts = [clip for rank in range(ranks) for clip in plan.share(step, rank, ranks)]
        assert list(map(facts, parts)) == list(map(facts, whole))


def test_indivisible_batch_names_a_number_that_works():
    with pytest.raises(ValueError, match="8 clips does not divide by 3 ranks; use 6 clips"):
        Plan(people_in_turn([10], 5), SPEC, 8).share(0, 0, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 20))
def test_distinct_identity_has_no_duplicate_where_there_are_people_enough(
    batch, rows_per_person, units, seed
):
    """Twice as many people as clips, with equally many rows each: no batch repeats one, across epochs too."""
    people = 2 * batch + seed % 3
    per_unit = [people * rows_per_person // units] * units
    per_unit[0] += people * rows_per_person - sum(per_unit)
    plan = Plan(people_in_turn(per_unit, people), SPEC, batch, seed, DistinctIdentity())
    assert sum(plan.violations(step) for step in range(3 * plan.num_rows // batch)) == 0


def test_distinct_identity_counts_what_it_cannot_avoid():
    plan = Plan(people_in_turn([8], people=2), SPEC, 4, policy=DistinctIdentity())
    assert plan.violations(0) == 2


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
    data = people_in_turn([1], 1, frames=frames)
    span = (frames - 1) / 25
    if span < (num_frames - 1) * low - 1e-3:
        with pytest.raises(ShardError, match="none of the 1 samples"):
            Plan(data, spec, 1, seed)
        return
    if span < (num_frames - 1) * low + 1e-2:
        return  # to within the hundredth of a second that durations are told apart by
    clip = Plan(data, spec, 1, seed).batch(0)[0]
    gaps = np.diff(data.unit(0).times(0)[clip.frames_T])
    assert (gaps >= low - 0.0401).all()
    assert (gaps <= low + extra + 0.0401).all()


def test_a_clip_runs_on_into_the_next_pieces_of_its_track():
    """Pieces of 10 frames cannot hold a clip of 21; a run of four holds it from any of its pieces."""
    run = pieces(4, 10)
    data = PlannedRows([[*run[::-1], *pieces(2, 10, person=1), MadeRow(2, "other")]])
    plan = Plan(data, ClipSpec(6, (0.16, 0.16), extra_frames=2), 4, seed=1)
    assert (plan.num_rows, plan.too_short) == (4, 3)
    begun = set()
    for step in range(150):
        for clip in plan.batch(step):
            assert set(clip.rows_T.tolist()) <= {0, 1, 2, 3}
            time_T = np.array(
                [data.unit(0).times(r)[f] for r, f in zip(clip.rows_T, clip.frames_T, strict=True)]
            )
            assert np.diff(time_T[:6]) == pytest.approx(0.16)
            begun.add(round(float(time_T[0]) * 25))
            assert len(set(zip(clip.rows_T, clip.frames_T, strict=True))) == 8
            if clip.row == 3:  # the first piece
                assert time_T[0] < 0.4
    assert begun == set(range(20))  # 40 frames, and a clip of 21


def test_a_hole_in_a_track_ends_a_run():
    data = PlannedRows([pieces(5, 10, without=(2,))])
    assert Plan(data, ClipSpec(4, (0.24, 0.24)), 1).num_rows == 4
    with pytest.raises(ShardError, match="none of the 4 samples"):
        Plan(data, ClipSpec(4, (0.28, 0.28)), 1)


def test_only_the_units_of_a_window_are_opened():
    data = people_in_turn([10] * 40, 100)
    plan = Plan(data, SPEC, 4, policy=DistinctIdentity(), window_rows=20)
    assert data.opened == []
    plan.batch(0)
    assert len(set(data.opened)) == 4  # this window's and the following one's
    data.opened.clear()
    plan.batch(10**6)
    assert len(set(data.opened)) <= 6


def test_windows_hold_about_as_many_rows_as_asked():
    sizes = [3, 50, 1, 1, 20, 7, 8, 9, 1, 30]
    plan = Plan(people_in_turn(sizes, 100), SPEC, 1, window_rows=20)
    clips = [plan.batch(step)[0].row for step in range(plan.num_rows)]
    assert sorted(clips) == list(range(sum(sizes)))
    windows, starts = plan.visits.epoch_windows(0)
    assert sum(map(len, windows)) == len(sizes)
    assert len(windows) >= 4
    assert (np.diff(starts) < 20 + max(sizes)).all()


def test_several_clips_of_a_visit_stand_side_by_side():
    plan = Plan(people_in_turn([6, 6], 12), SPEC, 6, clips_per_visit=3)
    for epoch in range(2):
        clips = [clip for step in range(6 * epoch, 6 * epoch + 6) for clip in plan.batch(step)]
        rows = np.array([clip.row for clip in clips]).reshape(-1, 3)
        assert (rows == rows[:, :1]).all()
        assert sorted(rows[:, 0]) == list(range(12))
        assert len({clip.augment_seed for clip in clips}) == 36
        assert len({tuple(clip.frames_T) for clip in clips}) > 12
    for wrong in ({"clips_per_visit": 4}, {"clips_per_visit": 2, "policy": DistinctIdentity()}):
        with pytest.raises(ValueError, match="must divide global_batch=6, and goes with policy 'any' only"):
            Plan(people_in_turn([6], 6), SPEC, 6, **wrong)


def activities() -> PlannedRows:
    """3 activities of 4 people, two rows each, in two units."""
    rows = [
        MadeRow(person, f"{person}-{task}-{take}", activity=f"T{task}")
        for person in range(4)
        for task in range(3)
        for take in range(2)
    ]
    return PlannedRows([rows[::2], rows[1::2]])


def test_grouped_batches_are_the_same_for_whoever_asks():
    data, policy = activities(), Grouped(3, 2, 2)
    plan = Plan(data, SPEC, policy.batch, seed=4, policy=policy)
    for step in (0, 7, 10**6):
        clips = plan.batch(step)
        shared = [clip for rank in range(4) for clip in Plan(data, SPEC, 12, 4, policy).share(step, rank, 4)]
        assert list(map(facts, shared)) == list(map(facts, clips))
        shown = np.array([int(data.place(clip.row)[0].activity_N[data.place(clip.row)[1]]) for clip in clips])
        assert len(set(shown.reshape(3, 4)[:, 0])) == 3
        assert (shown.reshape(3, 4) == shown.reshape(3, 4)[:, :1]).all()
        assert plan.violations(step) == 0
    assert [clip.row for clip in plan.batch(0)] != [clip.row for clip in plan.batch(1)]


def test_classes_are_given_by_row():
    plan = Plan(
        people_in_turn([12], 12),
        SPEC,
        6,
        policy=ClassBalanced(),
        group_of_row={0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 2},
    )
    for step in range(5):
        rows = [clip.row for clip in plan.batch(step)]
        assert sorted(min(row, 3) for row in rows) == sorted(
            [*([row for row in rows if row < 2]), 2, 2, 3, 3]
        )
        assert set(rows) <= set(range(6))


def test_extra_frames_are_other_frames():
    plan = Plan(people_in_turn([6], 6), SPEC, 6)
    for step in range(4):
        for clip in plan.batch(step):
            assert len(set(clip.frames_T.tolist())) == 6


def test_anchored_clips_show_an_anchor_with_context():
    anchors = {0: [3, 15], 2: [19], 3: []}
    spec = ClipSpec(8, left_context=5)
    plan = Plan(people_in_turn([4], 4), spec, 2, anchors=anchors)
    assert plan.num_rows == 2
    for step in range(30):
        for clip in plan.batch(step):
            shown = [anchor for anchor in anchors[clip.row] if anchor in clip.frames_T]
            assert shown
            assert any(np.flatnonzero(clip.frames_T == anchor)[0] >= min(5, anchor) for anchor in shown)
            assert np.array_equal(np.diff(clip.frames_T), np.ones(7))


def test_another_order_is_refused_naming_each_difference():
    data = people_in_turn([6], 6)
    stored = json.loads(json.dumps(Plan(data, SPEC, 4, seed=1).describe()))
    refuse_other_order(stored, Plan(data, SPEC, 4, seed=1))
    with pytest.raises(ManifestMismatchError, match=r"seed: 1 -> 2; global_batch: 4 -> 2"):
        refuse_other_order(stored, Plan(data, SPEC, 2, seed=2))
