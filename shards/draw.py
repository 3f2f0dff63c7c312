"""Which frames of a sample make a clip, drawn from counter-based generators. Numpy only."""

import numpy as np
from numpy.typing import NDArray

from shards.batch import ClipSpec

IntArray = NDArray[np.int64]
TIME_ROUNDING = 1e-5
"""Seconds by which stored frame times may be off."""

# Domains: they keep the draws of one seed apart.
UNITS, SAMPLES, CLIP = 1, 2, 3


def generator(seed: int, domain: int, first: int, second: int = 0) -> np.random.Generator:
    """A counter-based generator: the same numbers wherever and whenever it is made."""
    return np.random.Generator(np.random.Philox(key=[seed, domain], counter=[0, 0, first, second]))


def fits(times: NDArray[np.float64], spec: ClipSpec) -> bool:
    """Whether a sample with frames at `times` can hold the clip."""
    if spec.whole:
        return True
    if len(times) < spec.total_frames:
        return False
    if spec.gap_seconds is None:
        return True
    low, high = _gap_range(times, spec.gap_seconds)
    return low <= high and times[-1] - times[0] >= (spec.num_frames - 1) * low


def _gap_range(times: NDArray[np.float64], gap_seconds: tuple[float, float]) -> tuple[float, float]:
    """The gaps that are both asked for and no shorter than the frames lie apart, or frames would repeat."""
    apart = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return max(gap_seconds[0], apart), gap_seconds[1] + TIME_ROUNDING


def draw_frames(
    times: NDArray[np.float64], spec: ClipSpec, rng: np.random.Generator, anchor: int | None = None
) -> IntArray:
    """Frame indices `(total_frames,)` of one clip of a sample whose frames lie at `times` seconds."""
    available = len(times)
    if spec.whole:
        frames = np.full(spec.num_frames, -1, np.int64)
        frames[: min(available, spec.num_frames)] = np.arange(min(available, spec.num_frames))
        return frames
    if spec.gap_seconds is None:
        first = _first_frame(available, spec, rng, anchor)
        clip = np.arange(first, first + spec.num_frames)
    else:
        span = float(times[-1] - times[0])
        low, high = _gap_range(times, spec.gap_seconds)
        gap = rng.uniform(low, min(high, span / max(1, spec.num_frames - 1)))
        length = gap * (spec.num_frames - 1)
        start = times[0] + rng.uniform(0, max(0.0, span - length))
        clip = _nearest(times, start + gap * np.arange(spec.num_frames))
    if not spec.extra_frames:
        return clip.astype(np.int64)
    others = np.setdiff1d(np.arange(available), clip)
    extra = rng.choice(others, spec.extra_frames, replace=len(others) < spec.extra_frames)
    return np.concatenate([clip, extra]).astype(np.int64)


def _first_frame(available: int, spec: ClipSpec, rng: np.random.Generator, anchor: int | None) -> int:
    low, high = 0, available - spec.num_frames
    if anchor is not None:
        high = min(high, max(0, anchor - min(spec.left_context, spec.num_frames - 1)))
        low = min(high, max(0, anchor - spec.num_frames + 1))
    return int(rng.integers(low, high + 1))


def _nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> IntArray:
    right = np.searchsorted(times, wanted).clip(1, len(times) - 1)
    left_nearer = wanted - times[right - 1] <= times[right] - wanted
    return np.where(left_nearer, right - 1, right)
