"""The order of training data: pure functions of (set, seed, position), numpy only.

Positions count clips over all ranks, without end: position p belongs to epoch p // N, global step k consumes
positions k*G to (k+1)*G - 1. `visits` says which samples they visit, here is which frames of them make the
clips. Nothing depends on ranks or workers, so any of them may change.

Axes: N planned rows, G clips of a global batch, T frames of a clip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shards.batch import ClipSpec
from shards.draw import CLIP, draw_frames, generator, longest_seconds, numbers_needed
from shards.errors import ManifestMismatchError, ShardError
from shards.policies import AnyOrder, Policy, Window
from shards.reach import IntArray
from shards.schema import digest_of
from shards.visits import Candidates, PlannedSet, Visits

WINDOW_ROWS = 16_384


@dataclass(frozen=True)
class PlannedClip:
    """One slot of a global batch: which frames of which sample. Frame -1 is an empty slot."""

    position: int
    row: int
    """The sample that is visited."""
    rows_T: IntArray
    """The sample that each frame is of: this one, or one before or after it in its track."""
    frames_T: IntArray
    """Counted within `rows_T`."""
    augment_seed: int
    source: int = 0
    """Which set of a mix."""


class BatchPlan(Protocol):
    """Anything that names the clips of a step; `stream_clips` reads it."""

    @property
    def spec(self) -> ClipSpec: ...

    @property
    def last_step(self) -> int | None: ...

    def share(self, step: int, rank: int, size: int) -> list[PlannedClip]:
        """The clips of one rank of `size`, which follow those of the rank before."""
        ...


class Plan:
    """The endless, shuffled training order over the rows of a set that can hold the clip."""

    def __init__(
        self,
        tracks: PlannedSet,
        spec: ClipSpec,
        global_batch: int,
        seed: int = 0,
        policy: Policy | None = None,
        *,
        rows: Sequence[int] | IntArray | None = None,
        anchors: Mapping[int, Sequence[int]] | None = None,
        group_of_row: Mapping[int, int] | None = None,
        clips_per_visit: int = 1,
        window_rows: int = WINDOW_ROWS,
    ) -> None:
        """Choose what is planned; reads no unit, but where `rows` or `anchors` name some.

        Args:
            tracks: the set.
            spec: frames of a clip.
            global_batch: G, clips per step over all ranks.
            seed: of order, clips and augmentation.
            policy: how a batch is composed; any order if None. `any` and `distinct_identity` visit each row
                once per epoch.
            rows: use these rows only (a fold, a split).
            anchors: frames of which each clip must show one, by row; rows without any are left out.
            group_of_row: what the policy groups rows by; their activity if None.
            clips_per_visit: clips taken from a sample when it is visited, side by side in the batch.
            window_rows: samples shuffled together, to within a unit; more mix better and hold more shards
                open. An epoch takes whole units, so a window may be larger by one.

        Raises:
            ShardError: no row can hold the clip.
            ValueError: a number that must be positive is not, or numbers do not go together.
        """
        if min(global_batch, window_rows, clips_per_visit) < 1:
            raise ValueError(
                "global_batch, window_rows and clips_per_visit must be positive, "
                f"found {global_batch}, {window_rows} and {clips_per_visit}"
            )
        self.policy: Policy = policy or AnyOrder()
        if clips_per_visit > 1 and (global_batch % clips_per_visit or self.policy != AnyOrder()):
            raise ValueError(
                f"clips_per_visit={clips_per_visit} must divide global_batch={global_batch}, and goes with "
                f"policy {AnyOrder().name!r} only, found {self.policy.name!r}"
            )
        self.tracks, self.spec, self.global_batch, self.seed = tracks, spec, global_batch, seed
        self.anchors, self.clips_per_visit, self.window_rows = anchors, clips_per_visit, window_rows
        self._group_of_row = group_of_row
        self._candidates = Candidates(tracks, spec, _asked(tracks, rows, anchors), group_of_row)
        if not self.num_rows:
            raise ShardError(
                f"none of the {self._candidates.asked} samples asked for can hold a clip of {spec}; "
                "shorten num_frames or gap_seconds, or pack longer samples"
            )
        visits = global_batch // clips_per_visit
        self.visits = Visits(self._candidates, self.policy, visits, seed, window_rows)

    @property
    def num_rows(self) -> int:
        """N: samples of an epoch."""
        return int(self._candidates.count_U.sum())

    @property
    def too_short(self) -> int:
        """Samples left out because they cannot hold the clip."""
        return self._candidates.asked - self.num_rows

    @property
    def last_step(self) -> int | None:
        return None

    def describe(self) -> dict[str, object]:
        """What defines the order; a resumed run must agree in each entry."""
        chosen = {str(unit): rows.tolist() for unit, rows in (self._candidates.chosen or {}).items()}
        return {
            "set": self.tracks.digest,
            "left_out": list(self.tracks.left_out),
            "seed": self.seed,
            "global_batch": self.global_batch,
            "policy": self.policy.name,
            # As JSON gives it back: a stored description has lists for tuples.
            **{
                f"clip.{name}": list(value) if isinstance(value, tuple) else value
                for name, value in asdict(self.spec).items()
            },
            "clips_per_visit": self.clips_per_visit,
            "window_rows": self.window_rows,
            "rows": digest_of(chosen),
            "anchors": digest_of(sorted((row, list(frames)) for row, frames in (self.anchors or {}).items())),
            "groups": digest_of(sorted((self._group_of_row or {}).items())),
        }

    def batch(self, step: int) -> list[PlannedClip]:
        """The G clips of one global step, in the order in which ranks share them."""
        return self.share(step, 0, 1)

    def share(self, step: int, rank: int, size: int) -> list[PlannedClip]:
        """One rank's clips of a step.

        Raises:
            ValueError: the batch does not divide by the number of ranks.
        """
        return self.clips(step, np.arange(self.global_batch)[part_of(self.global_batch, rank, size)])

    def clips(self, step: int, slots: IntArray) -> list[PlannedClip]:
        """The clips in some slots of a step's batch."""
        row_G = self._visited(step).row_N
        rng = generator(self.seed, CLIP, step)
        number_GK = rng.random((self.global_batch, numbers_needed(self.spec)))
        seed_G = rng.integers(2**62, size=self.global_batch)
        first = step * self.global_batch
        return [
            self._clip(first + slot, int(row_G[slot]), number_GK[slot], int(seed_G[slot]))
            for slot in slots.tolist()
        ]

    def violations(self, step: int) -> int:
        """Clips of the step that break the policy's invariant, since the set could not meet it."""
        return self.policy.violations(self._visited(step))

    def _visited(self, step: int) -> Window:
        """The rows of a step's clips, over all ranks."""
        return self.visits.of_step(step).take(np.arange(self.global_batch) // self.clips_per_visit)

    def _clip(self, position: int, row: int, number_K: NDArray[np.float64], seed: int) -> PlannedClip:
        rows, local = self.tracks.place(row)
        stretch = rows.stretch(local, longest_seconds(self.spec))
        anchors = None if self.anchors is None else np.asarray(self.anchors[row])
        shown_T = draw_frames(stretch, self.spec, number_K, rows.reach.apart_seconds(local), anchors)
        rows_T, frames_T = stretch.places(shown_T)
        return PlannedClip(position, row, row - local + rows_T, frames_T, seed)


def part_of(global_batch: int, rank: int, size: int) -> slice:
    """Rank `rank`'s contiguous part of a global batch.

    Raises:
        ValueError: the batch does not divide by the number of ranks.
    """
    if global_batch % size:
        raise ValueError(
            f"a global batch of {global_batch} clips does not divide by {size} ranks; "
            f"use {global_batch // size * size or size} clips or another number of ranks"
        )
    local = global_batch // size
    return slice(rank * local, (rank + 1) * local)


class Described(Protocol):
    """A plan that can be gone on with."""

    def describe(self) -> dict[str, object]: ...


def refuse_other_order(stored: Mapping[str, object], plan: Described) -> None:
    """Check that a resumed run goes on in the order it began.

    Raises:
        ManifestMismatchError: naming each entry that differs, stored and current.
    """
    current = plan.describe()
    differing = [
        f"{name}: {stored.get(name)!r} -> {value!r}"
        for name, value in current.items()
        if stored.get(name) != value
    ]
    if differing:
        raise ManifestMismatchError(
            "this run began with another order of data; start a new run or restore: " + "; ".join(differing)
        )


def _asked(
    tracks: PlannedSet, rows: Sequence[int] | IntArray | None, anchors: Mapping[int, Sequence[int]] | None
) -> IntArray | None:
    """The rows to plan, sorted; None is all of the set."""
    if rows is None and anchors is None:
        return None
    row_N = np.arange(int(tracks.rows_U.sum())) if rows is None else np.unique(np.asarray(rows, np.int64))
    if anchors is not None:
        row_N = row_N[[len(anchors.get(int(row), ())) > 0 for row in row_N]]
    return row_N
