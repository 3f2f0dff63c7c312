"""Counts by which a plan knows an epoch without reading an index: never another number than the rows give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.batch import ClipSpec
from shards.errors import ShardError
from shards.reach import Reach, ReachCounts, reach_parquet

runs = st.lists(
    st.tuples(st.integers(1, 70), st.integers(0, 5000), st.floats(1, 60)), min_size=1, max_size=30
)
specs = st.one_of(
    st.integers(1, 70).map(ClipSpec),
    st.builds(
        lambda frames, low, more, extra: ClipSpec(frames, (low, low + more), extra),
        st.integers(1, 9),
        st.floats(0.02, 2),
        st.floats(0, 1),
        st.integers(0, 3),
    ),
    st.just(ClipSpec(64, whole=True)),
)


def reach_of(rows: list[tuple[int, int, float]]) -> Reach:
    frames_N = np.array([frames for frames, _, _ in rows])
    run_frames_N = frames_N + np.array([more for _, more, _ in rows])
    rate_N = np.array([rate for _, _, rate in rows])
    return Reach.of_runs(frames_N, run_frames_N, (run_frames_N - 1) / rate_N)


@settings(max_examples=200, deadline=None)
@given(st.lists(runs, min_size=1, max_size=4), specs)
def test_counts_are_those_of_the_rows(units, spec):
    reach_U = [reach_of(rows) for rows in units]
    counts = ReachCounts.from_parquet(reach_parquet(reach_U), "x")
    assert counts.usable(spec, len(units)).tolist() == [int(reach.fits(spec).sum()) for reach in reach_U]


@settings(max_examples=200, deadline=None)
@given(runs, st.integers(2, 9), st.floats(0.02, 2), st.floats(0, 1))
def test_who_can_hold_a_clip_has_the_time_for_it(rows, num_frames, low, more):
    """To within a hundredth of a second, or a second where a run is longer than ten."""
    spec = ClipSpec(num_frames, (low, low + more))
    for (frames, others, rate), fits in zip(rows, reach_of(rows).fits(spec), strict=True):
        seconds, apart = (frames + others - 1) / rate, 1 / rate if frames + others > 1 else 0.0
        needed = (num_frames - 1) * max(low, apart)
        if fits:
            assert seconds >= needed - 1e-2
            assert apart <= low + more + 2e-4
        elif apart <= low + more and needed < 59:
            assert seconds < needed + (0.02 if seconds < 10 else 1.02)


def test_equal_counts_are_equal_bytes_and_other_files_are_refused():
    reach = reach_of([(64, 0, 25), (64, 64, 25), (3, 0, 25)])
    assert reach_parquet([reach]) == reach_parquet([reach_of([(3, 0, 25), (64, 64, 25), (64, 0, 25)])])
    with pytest.raises(ShardError, match="x is not a parquet file"):
        ReachCounts.from_parquet(b"no", "x")
