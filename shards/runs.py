"""Runs of a unit: pieces of a track that follow one another without a hole.

Packing leaves out pieces that are not good enough, so a track may be several runs.

Axes: N sample rows, R runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shards.reach import IntArray, Reach

FloatArray = NDArray[np.float64]


class Piece(Protocol):
    """What a sample's row says of its place in a track."""

    @property
    def video(self) -> str: ...

    @property
    def track(self) -> int: ...

    @property
    def piece(self) -> int: ...

    @property
    def num_frames(self) -> int: ...

    @property
    def first_seconds(self) -> float: ...

    @property
    def last_seconds(self) -> float: ...


@dataclass(frozen=True)
class Runs:
    """Which rows are neighbours in time, and from when to when each lasts."""

    row_N: IntArray
    """Rows by video, track and piece: those of a run stand side by side."""
    place_N: IntArray
    """Where each row stands in `row_N`."""
    start_R: IntArray
    """Where each run begins in `row_N`."""
    run_N: IntArray
    """The run of each row."""
    first_seconds_N: FloatArray
    """Of each row."""
    last_seconds_N: FloatArray

    @classmethod
    def of_columns(
        cls,
        video_N: IntArray,
        track_N: IntArray,
        piece_N: IntArray,
        first_seconds_N: FloatArray,
        last_seconds_N: FloatArray,
    ) -> Self:
        """From the columns of a unit's index; videos as numbers."""
        row_N = np.lexsort((piece_N, track_N, video_N))
        video, track, piece = (column[row_N] for column in (video_N, track_N, piece_N))
        begins_N = np.ones(len(row_N), bool)
        begins_N[1:] = (video[1:] != video[:-1]) | (track[1:] != track[:-1]) | (piece[1:] != piece[:-1] + 1)
        place_N = np.empty(len(row_N), np.int64)
        place_N[row_N] = np.arange(len(row_N))
        run_N = (np.cumsum(begins_N) - 1)[place_N]
        return cls(row_N, place_N, np.flatnonzero(begins_N), run_N, first_seconds_N, last_seconds_N)

    def reach(self, num_frames_N: IntArray) -> Reach:
        """What clips the rows can hold."""
        if not len(self.row_N):
            return Reach(*(np.empty(0, np.int64) for _ in range(3)))
        run_frames_R = np.add.reduceat(num_frames_N[self.row_N], self.start_R)
        end_R = np.append(self.start_R[1:], len(self.row_N))
        first_R = self.first_seconds_N[self.row_N[self.start_R]]
        seconds_R = self.last_seconds_N[self.row_N[end_R - 1]] - first_R
        return Reach.of_runs(num_frames_N, run_frames_R[self.run_N], seconds_R[self.run_N])

    def around(self, row: int, seconds: float) -> list[int]:
        """The row, and those of its run that a clip of `seconds` which begins in it may need.

        Where the run ends too soon after the row, rows before it come as well.
        """
        run = int(self.run_N[row])
        low = int(self.start_R[run])
        high = int(self.start_R[run + 1]) if run + 1 < len(self.start_R) else len(self.row_N)
        begin = end = int(self.place_N[row])
        until = self.last_seconds_N[row] + seconds
        while end + 1 < high and self.last_seconds_N[self.row_N[end]] < until:
            end += 1
        last = self.last_seconds_N[self.row_N[end]]
        while begin > low and last - self.first_seconds_N[self.row_N[begin]] < seconds:
            begin -= 1
        return [int(other) for other in self.row_N[begin : end + 1]]


def reach_of(rows: Sequence[Piece]) -> Reach:
    """What clips the samples of a unit can hold."""
    facts = [(row.track, row.piece, row.num_frames) for row in rows]
    track_N, piece_N, frames_N = np.array(facts, np.int64).reshape(-1, 3).T
    seconds_N2 = np.array([(row.first_seconds, row.last_seconds) for row in rows]).reshape(-1, 2)
    _, video_N = np.unique(np.array([row.video for row in rows], object), return_inverse=True)
    return Runs.of_columns(video_N, track_N, piece_N, *seconds_N2.T).reach(frames_N)
