"""The fixed order of evaluation: each row once, whole, in index order; nothing is padded or repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shards.batch import ClipSpec
from shards.draw import draw_frames, numbers_needed
from shards.plan import PlannedClip, part_of
from shards.reach import IntArray
from shards.visits import PlannedSet


@dataclass(frozen=True)
class EvaluationPlan:
    """Batches of whole samples; the last may be short.

    Raises:
        ValueError: the clip is not a whole sample.
    """

    tracks: PlannedSet
    spec: ClipSpec
    global_batch: int
    rows: Sequence[int] | IntArray | None = None

    def __post_init__(self) -> None:
        if not self.spec.whole:
            raise ValueError(
                "an EvaluationPlan reads whole samples; give ClipSpec(num_frames=..., whole=True)"
            )

    @property
    def last_step(self) -> int | None:
        return -(-len(self._chosen) // self.global_batch)

    @property
    def _chosen(self) -> IntArray:
        if self.rows is None:
            return np.arange(int(self.tracks.rows_U.sum()))
        return np.asarray(self.rows, np.int64)

    def batch(self, step: int) -> list[PlannedClip]:
        """All clips of a step."""
        return self.share(step, 0, 1)

    def share(self, step: int, rank: int, size: int) -> list[PlannedClip]:
        """One rank's clips of a step.

        Raises:
            ValueError: the batch does not divide by the number of ranks.
        """
        first = step * self.global_batch
        chosen = self._chosen[first : first + self.global_batch]
        mine = part_of(len(chosen), rank, size)
        return [self._clip(first + i, int(chosen[i])) for i in range(mine.start, mine.stop)]

    def _clip(self, position: int, row: int) -> PlannedClip:
        rows, local = self.tracks.place(row)
        stretch = rows.stretch(local, 0.0)
        shown_T = draw_frames(stretch, self.spec, np.zeros(numbers_needed(self.spec)))
        rows_T, frames_T = stretch.places(shown_T)
        return PlannedClip(position, row, row - local + rows_T, frames_T, 0)
