from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.pack.frames.clock import LONGEST_GAP_SECONDS, Clock
from shards.pack.frames.decode import read_frames
from tests.clips import flat_frames
from tests.odd_videos import Form, encode

Told = list[tuple[str, str, str]]


def run(stored: list[float | None], rate: float) -> tuple[list[float], Told]:
    clock, told = Clock(rate), Told()
    times = [clock.time_seconds(index, time) for index, time in enumerate(stored)]
    clock.tell_wrong(len(stored), lambda *words: told.append(words))
    return times, told


@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-5, 5), min_size=2),
    st.floats(allow_nan=False) | st.floats(1, 100),
)
def test_times_rise_whatever_the_file_says(stored: list[float | None], rate: float) -> None:
    times, _ = run(stored, rate)
    assert all(before < after for before, after in pairwise(times))


@given(st.floats(-1e6, 1e6), st.lists(st.floats(1e-3, LONGEST_GAP_SECONDS - 1), min_size=1))
def test_times_that_rise_are_the_file_s_own(start: float, gaps: list[float]) -> None:
    stored = [start]
    for gap in gaps:
        stored.append(stored[-1] + gap)
    times, told = run([*stored], 30)
    assert times == [round(time, 6) for time in stored]
    assert told == []


def test_missing_times_are_counted_in_silence() -> None:
    assert run([None] * 4, 20) == ([0, 0.05, 0.1, 0.15], [])


def test_a_clock_that_begins_again_is_counted_on_and_told() -> None:
    times, told = run([7.0, 7.5, 0.0, 0.5, 1.0, 9.5], 2)
    assert times == [7.0, 7.5, 8.0, 8.5, 9.0, 9.5]
    ((stage, reason, detail),) = told
    assert (stage, reason) == ("decode", "wrong_times")
    assert detail.startswith("3 of 6 frames")
    assert "the first is frame 2" in detail


def test_one_damaged_time_does_not_stretch_the_video() -> None:
    times, told = run([0.0, 0.5, 1e8, 1.5, 2.0], 2)
    assert times == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert told[0][2].startswith("1 of 5 frames")


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times_ms = [0, 40, 50, 400, 433, 2000, 2001, 61_000]
    path = encode(tmp_path / "screen.mkv", flat_frames(8), Form(times=times_ms))
    told: Told = []
    frames = list(read_frames(path, 88, lambda *words: told.append(words)))
    assert [frame.time_seconds for frame in frames] == pytest.approx([time / 1000 for time in times_ms])
    assert told == []


def test_times_that_fall_in_a_file(tmp_path: Path) -> None:
    """Two recordings joined byte by byte: the second begins at zero again."""
    one = encode(tmp_path / "one.ts", flat_frames(10), Form(rate=10)).read_bytes()
    (tmp_path / "two.ts").write_bytes(one + one)
    told: Told = []
    frames = list(read_frames(tmp_path / "two.ts", 88, lambda *words: told.append(words)))
    assert [frame.index for frame in frames] == list(range(20))
    steps = [after.time_seconds - before.time_seconds for before, after in pairwise(frames)]
    assert steps == pytest.approx([0.1] * 19)
    assert [reason for _, reason, _ in told] == ["wrong_times"]
