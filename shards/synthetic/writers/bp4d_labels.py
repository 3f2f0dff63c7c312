"""Label files of BP4D and BP4D+ from a performance, in the form that `shards.layouts.bp4d_labels` reads.

An AU occurs from intensity A (1) on. Only the most expressive part of a task is coded, and there a coder
sometimes cannot tell an AU, or the face is covered.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.layouts.bp4d_labels import AUS, INTENSITY_AUS, LEGACY_COLUMNS
from shards.synthetic.action_units import ACTION_UNITS, Performance
from shards.synthetic.writers.writer import VideoJob, rounded, stretch, write_lines

CODED_SHARE = 0.55
UNKNOWN = 9
PRESENT_FROM = 1
OCCURRENCE_CODED = (*(1, 2, 4, 5, 6, 7), *range(9, 21), *(22, 23, 24, 27, 28, 30, 32, 38, 39))
"""The 27 AUs that were coded; those that the generator does not move are absent throughout."""
NAMED_COLUMNS = (*(1, 2, 4, 5, 6, 7), *range(9, 21), *(22, 23, 24), *range(27, 40))
"""The AUs of the files with named columns, in their order."""
UNCLEAR_CHANCE, UNCLEAR_SHARE = 0.25, 0.12
COVERED_CHANCE, COVERED_SHARE = 0.1, 0.1


@dataclass(frozen=True)
class Coding:
    """What a coder wrote of the F frames from number `first` on: 0-1 and 0-5, `UNKNOWN` where unclear."""

    first: int
    occurrence: dict[int, NDArray[np.int64]]
    intensity: dict[int, NDArray[np.int64]]
    covered_F: NDArray[np.bool_]


def coded_part(performance: Performance) -> tuple[int, int]:
    """Begin and end (0-based, exclusive) of the run of frames with the most movement."""
    total_T = np.sum([rounded(performance, au) for au in AUS], axis=0)
    num_frames = len(performance.intensity_TA)
    length = max(1, round(CODED_SHARE * num_frames))
    sums = np.convolve(total_T, np.ones(length, np.int64), mode="valid")
    start = int(np.argmax(sums))
    return start, start + length


def code(job: VideoJob, performance: Performance) -> Coding:
    start, end = coded_part(performance)
    random = job.random("coding")
    unclear_au = int(random.choice(AUS))
    unclear_F = stretch(random, end - start, UNCLEAR_CHANCE, UNCLEAR_SHARE)
    covered_F = stretch(random, end - start, COVERED_CHANCE, COVERED_SHARE)
    intensity = {}
    for au in (au for au in OCCURRENCE_CODED if au in ACTION_UNITS):
        values_F = rounded(performance, au)[start:end]
        intensity[au] = np.where(unclear_F, UNKNOWN, values_F) if au == unclear_au else values_F
    occurrence = {
        au: np.where(values_F == UNKNOWN, UNKNOWN, values_F >= PRESENT_FROM)
        for au, values_F in intensity.items()
    }
    return Coding(start + 1, occurrence, {au: intensity[au] for au in INTENSITY_AUS}, covered_F)


def write_occurrence(path: Path, coding: Coding, *, legacy: bool) -> None:
    """100 columns whose last tells a covered face, or named columns, where a covered face is unclear."""
    columns = range(1, LEGACY_COLUMNS) if legacy else NAMED_COLUMNS
    num_frames = len(coding.covered_F)
    values_FA = np.full((num_frames, len(columns)), UNKNOWN)
    for column, au in enumerate(columns):
        if au in OCCURRENCE_CODED:
            values_FA[:, column] = coding.occurrence.get(au, 0)
    if legacy:
        values_FA[:, -1] = coding.covered_F
    else:
        values_FA[coding.covered_F] = UNKNOWN
    # Column 0 is the frame; files with named columns call it "1" like the column after it.
    header = [0 if legacy else 1, *columns]
    rows = [[frame, *values] for frame, values in enumerate(values_FA.tolist(), start=coding.first)]
    write_lines(path, [",".join(map(str, row)) for row in [header, *rows]])


def write_intensity(folder: Path, sequence: str, coding: Coding) -> None:
    """A file per AU without a header, a line for each coded frame."""
    for au, values_F in coding.intensity.items():
        lines = [f"{frame},{value}" for frame, value in enumerate(values_F, start=coding.first)]
        write_lines(folder / f"AU{au:02d}" / f"{sequence}_AU{au:02d}.csv", lines)
