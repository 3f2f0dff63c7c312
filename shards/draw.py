"""Which frames make a clip, drawn from counter-based generators. Numpy only.

Axes: F frames of a stretch of a track, T frames of a clip, K numbers of a clip, uniform in 0..1.
"""

import numpy as np
from numpy.typing import NDArray

from shards.batch import ClipSpec
from shards.reach import IntArray
from shards.unit_rows import Stretch

TIME_ROUNDING = 1e-5
"""Seconds by which stored frame times may be off."""

# Domains: they keep the draws of one seed apart.
UNITS, SAMPLES, CLIP, MIX = 1, 2, 3, 4


def generator(seed: int, domain: int, first: int, second: int = 0) -> np.random.Generator:
    """A counter-based generator: the same numbers wherever and whenever it is made."""
    return np.random.Generator(np.random.Philox(key=[seed, domain], counter=[0, 0, first, second]))


def numbers_needed(spec: ClipSpec) -> int:
    """K: anchor, gap, start, and one for each extra frame."""
    return 3 + spec.extra_frames


def longest_seconds(spec: ClipSpec) -> float:
    """Time that a clip may need beyond the sample that it begins in."""
    return 0.0 if spec.gap_seconds is None else (spec.num_frames - 1) * (spec.gap_seconds[1] + TIME_ROUNDING)


def draw_frames(
    stretch: Stretch,
    spec: ClipSpec,
    number_K: NDArray[np.float64],
    apart_seconds: float = 0.0,
    anchors: IntArray | None = None,
) -> IntArray:
    """Frames `(total_frames,)` of the stretch that make one clip; -1 is an empty slot.

    Args:
        stretch: the sample, and what of its run a clip with gaps may reach into.
        spec: the clip, which the sample can hold.
        number_K: uniform in 0..1.
        apart_seconds: how far the run's frames lie apart: no gap is shorter, or frames would repeat.
        anchors: frames of the sample of which the clip must show one.
    """
    first, last = stretch.own.start, stretch.own.stop
    if spec.whole:
        frames_T = np.full(spec.num_frames, -1, np.int64)
        shown = min(last - first, spec.num_frames)
        frames_T[:shown] = np.arange(first, first + shown)
        return frames_T
    if spec.gap_seconds is None:
        begin = first + _first_frame(last - first, spec, number_K, anchors)
        clip_T = np.arange(begin, begin + spec.num_frames)
    else:
        clip_T = _with_gaps(stretch, spec, number_K, max(spec.gap_seconds[0], apart_seconds))
    if not spec.extra_frames:
        return clip_T
    return np.concatenate([clip_T, _others(len(stretch.time_seconds_F), clip_T, number_K[3:])])


def _with_gaps(stretch: Stretch, spec: ClipSpec, number_K: NDArray[np.float64], low: float) -> IntArray:
    """One gap for the clip; its start is any frame of its sample, or earlier where the run ends too soon."""
    assert spec.gap_seconds is not None
    time_F, steps = stretch.time_seconds_F, max(1, spec.num_frames - 1)
    first, last = float(time_F[0]), float(time_F[-1])
    high = min(spec.gap_seconds[1] + TIME_ROUNDING, (last - first) / steps)
    gap = low + float(number_K[1]) * max(0.0, high - low)
    latest = last - gap * (spec.num_frames - 1)
    own_F = time_F[stretch.own]
    starts = int(own_F.searchsorted(latest + TIME_ROUNDING, side="right"))
    begin = float(own_F[_below(number_K[2], starts)]) if starts else latest
    wanted_T = max(first, min(begin, latest)) + gap * np.arange(spec.num_frames)
    right_T = time_F.searchsorted(wanted_T).clip(1, max(1, len(time_F) - 1))
    is_left_T = wanted_T - time_F[right_T - 1] <= time_F[right_T % len(time_F)] - wanted_T
    return np.asarray(right_T - is_left_T, np.int64)


def _first_frame(
    available: int, spec: ClipSpec, number_K: NDArray[np.float64], anchors: IntArray | None
) -> int:
    low, high = 0, available - spec.num_frames
    if anchors is not None:
        anchor = int(anchors[_below(number_K[0], len(anchors))])
        high = min(high, max(0, anchor - min(spec.left_context, spec.num_frames - 1)))
        low = min(high, max(0, anchor - spec.num_frames + 1))
    return low + _below(number_K[2], high - low + 1)


def _others(available: int, clip_T: IntArray, number_E: NDArray[np.float64]) -> IntArray:
    """Frames that are not in the clip, each once where there are enough."""
    is_free_F = np.ones(available, bool)
    is_free_F[clip_T] = False
    free = np.flatnonzero(is_free_F)
    if not len(free):
        free = clip_T
    if len(free) < len(number_E):
        return free[[_below(number, len(free)) for number in number_E]]
    for place, number in enumerate(number_E):
        other = place + _below(number, len(free) - place)
        free[place], free[other] = free[other], free[place]
    return free[: len(number_E)]


def _below(number: float, count: int) -> int:
    return min(int(number * count), count - 1)
