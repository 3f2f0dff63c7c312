"""Frames share a request where that costs few bytes."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from shards.ranges import Wanted, coalesced


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300), st.integers(1, 20)), min_size=1, max_size=30),
    st.floats(0, 5),
    st.integers(0, 500),
)
def test_requests_hold_all_frames_and_no_more_waste_than_allowed(places, waste, free):
    wanted, end = [], {}
    for shard, gap, length in sorted(places):
        begin = end.get(shard, 0) + gap
        wanted.append(Wanted(f"{shard}", begin, length, 0))
        end[shard] = begin + length
    with patch("shards.ranges.MOST_WASTE", waste), patch("shards.ranges.FREE_WASTE", free):
        runs = coalesced(wanted)
    assert [one for run in runs for one in run] == wanted
    assert all(len({one.shard for one in run}) == 1 for run in runs)
    fetched = sum(run[-1].offset + run[-1].length - run[0].offset for run in runs)
    frames = sum(one.length for one in wanted)
    assert fetched <= frames + max(free, waste * frames)
