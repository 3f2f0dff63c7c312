"""Drawing frames: uniform over what is allowed, nearest in time, and the same wherever it is done."""

import numpy as np
import pytest

from shards.batch import ClipSpec
from shards.draw import CLIP, SAMPLES, draw_frames, generator, numbers_needed
from shards.reach import Reach
from shards.unit_rows import Stretch

TIMES = np.arange(50) / 25


def one(times: np.ndarray, spec: ClipSpec, position: int = 0, anchor: int | None = None) -> np.ndarray:
    """A clip of a sample that is a run of its own."""
    stretch = Stretch([0], [0], times, slice(0, len(times)))
    number_K = generator(0, CLIP, position).random(numbers_needed(spec))
    apart = float(times[-1] - times[0]) / max(1, len(times) - 1)
    return draw_frames(stretch, spec, number_K, apart, None if anchor is None else np.array([anchor]))


def drawn(times: np.ndarray, spec: ClipSpec, count: int, anchor: int | None = None) -> np.ndarray:
    return np.stack([one(times, spec, i, anchor) for i in range(count)])


def holds(times: np.ndarray, spec: ClipSpec) -> bool:
    frames = np.array([len(times)])
    return bool(Reach.of_runs(frames, frames, np.array([times[-1] - times[0]])).fits(spec)[0])


def test_generators_are_equal_by_their_numbers_and_differ_in_each():
    def numbers(*which: int) -> tuple[float, ...]:
        return tuple(generator(*which).random(4))

    assert numbers(1, CLIP, 5, 2) == numbers(1, CLIP, 5, 2)
    others = [(1, CLIP, 5), (2, CLIP, 5, 2), (1, SAMPLES, 5, 2), (1, CLIP, 6, 2), (1, CLIP, 2, 5)]
    assert len({numbers(1, CLIP, 5, 2), *(numbers(*which) for which in others)}) == 6


def test_long_draws_of_neighbouring_positions_do_not_overlap():
    one, other = (generator(0, CLIP, position).random(5000) for position in (0, 1))
    assert not np.isin(one, other).any()


def test_consecutive_clips_start_everywhere_equally_often():
    clips = drawn(TIMES, ClipSpec(8), 4300)
    assert (np.diff(clips, axis=1) == 1).all()
    counts = np.bincount(clips[:, 0], minlength=43)
    assert len(counts) == 43
    # 100 expected; 5 standard deviations.
    assert np.abs(counts - 100).max() < 50


def test_gaps_cover_their_range_and_clips_the_whole_sample():
    clips = drawn(TIMES, ClipSpec(4, (0.16, 0.32)), 2000)
    gaps = np.diff(TIMES[clips], axis=1)
    assert gaps.min() >= 0.16 - 0.0401
    assert gaps.max() <= 0.32 + 0.0401
    # One gap per clip: its gaps differ by the rounding to frames only.
    assert (gaps.max(axis=1) - gaps.min(axis=1)).max() < 0.0401 + 1e-9
    assert np.quantile(gaps.mean(axis=1), [0.1, 0.9]) == pytest.approx([0.176, 0.304], abs=0.015)
    assert clips.min() == 0
    assert clips.max() == 49


def test_a_gap_shrinks_to_what_a_short_sample_holds():
    clips = drawn(TIMES[:13], ClipSpec(4, (0.08, 10.0)), 200)
    assert clips[:, -1].max() == 12
    assert clips[:, 0].min() == 0


def test_frames_nearest_in_time_are_taken_where_frames_are_missing():
    times = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    spec = ClipSpec(3, (0.5, 0.5))
    assert one(times, spec).tolist() == [0, 2, 4]


def test_extra_frames_are_the_others_uniformly():
    clips = drawn(TIMES[:12], ClipSpec(4, extra_frames=3), 3000)
    for clip in clips:
        assert len(set(clip.tolist())) == 7
    firsts = np.bincount(clips[clips[:, 0] == 0][:, 4:].ravel(), minlength=12)
    assert (firsts[:4] == 0).all()
    assert np.ptp(firsts[4:]) < 0.5 * firsts[4:].mean()


def test_extra_frames_repeat_only_where_frames_run_out():
    clip = one(TIMES[:5], ClipSpec(4, extra_frames=3))
    assert set(clip[4:].tolist()) == set(range(5)) - set(clip[:4].tolist())


def test_a_whole_sample_is_cut_or_filled_up_with_empty_slots():
    spec = ClipSpec(6, whole=True)
    assert one(TIMES[:4], spec).tolist() == [0, 1, 2, 3, -1, -1]
    assert one(TIMES, spec).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("anchor", [0, 1, 6, 25, 48, 49])
@pytest.mark.parametrize("context", [0, 5, 20])
def test_an_anchored_clip_shows_its_anchor_with_context_where_there_is_some(anchor, context):
    clips = drawn(TIMES, ClipSpec(8, left_context=context), 200, anchor)
    places = anchor - clips[:, 0]
    assert ((places >= 0) & (places < 8)).all()
    assert (places >= min(context, 7, anchor)).all()
    most = min(7, anchor)
    assert set(places.tolist()) >= {most}


@pytest.mark.parametrize(
    ("frames", "spec", "wanted"),
    [
        (5, ClipSpec(5), True),
        (4, ClipSpec(5), False),
        (5, ClipSpec(4, extra_frames=2), False),
        (6, ClipSpec(4, extra_frames=2), True),
        (11, ClipSpec(3, (0.2, 9.0)), True),
        (10, ClipSpec(3, (0.2, 9.0)), False),
        (1, ClipSpec(64, whole=True), True),
    ],
)
def test_whether_a_sample_holds_a_clip(frames, spec, wanted):
    assert holds(TIMES[:frames], spec) == wanted


def test_a_slow_video_cannot_hold_a_clip_of_shorter_gaps():
    """At one frame per second, a gap of a quarter second would show the same frame again and again."""
    once_a_second = np.arange(60, dtype=np.float64)
    assert not holds(once_a_second, ClipSpec(4, (0.2, 0.3)))
    spec = ClipSpec(4, (0.2, 1.5))
    assert holds(once_a_second, spec)
    for position in range(50):
        frames_T = one(once_a_second, spec, position)
        assert (np.diff(frames_T) >= 1).all()
