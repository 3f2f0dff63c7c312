"""The order of training data: pure functions of (set, seed, position), numpy only.

Positions count clips over all ranks, without end: position p belongs to epoch p // N, global step k consumes
positions k*G to (k+1)*G - 1. An epoch permutes the units, takes them in windows of a few, and orders the
samples of a window by the batch policy. Nothing depends on ranks or workers, so any of them may change.

Axes: N planned rows, U units, G clips of a global batch, T frames of a clip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from shards.batch import ClipSpec
from shards.draw import CLIP, SAMPLES, UNITS, IntArray, draw_frames, fits, generator
from shards.errors import ManifestMismatchError, ShardError
from shards.policies import distinct_batches
from shards.schema import digest_of

Policy = Literal["any", "distinct_identity"]


@dataclass(frozen=True)
class PlanColumns:
    """What planning needs of a shard set's index, one entry per sample row."""

    digest: str
    unit: IntArray
    identity: IntArray
    num_frames: IntArray
    time_start: IntArray
    """Where a row's frame times begin in `time_seconds`."""
    time_seconds: NDArray[np.float64]
    left_out: tuple[str, ...] = ()
    """Hashes of the forgotten people and videos whose rows are not here."""

    def times(self, row: int) -> NDArray[np.float64]:
        """Frame times of one row in seconds."""
        start = self.time_start[row]
        return self.time_seconds[start : start + self.num_frames[row]]


@dataclass(frozen=True)
class PlannedClip:
    """One slot of a global batch: which frames of which sample. Frame -1 is an empty slot."""

    position: int
    row: int
    frames_T: IntArray
    augment_seed: int


class BatchPlan(Protocol):
    """Anything that names the clips of a step; `stream_clips` reads it."""

    @property
    def spec(self) -> ClipSpec: ...

    @property
    def last_step(self) -> int | None: ...

    def batch(self, step: int) -> list[PlannedClip]: ...


class Plan:
    """The endless, shuffled training order over the rows of a set that can hold the clip."""

    def __init__(
        self,
        columns: PlanColumns,
        spec: ClipSpec,
        global_batch: int,
        seed: int = 0,
        policy: Policy = "any",
        rows: Sequence[int] | IntArray | None = None,
        anchors: Mapping[int, Sequence[int]] | None = None,
        window_units: int = 16,
    ) -> None:
        """Choose what is planned; costs one pass over the rows.

        Args:
            columns: the set.
            spec: frames of a clip.
            global_batch: G, clips per step over all ranks.
            seed: of order, clips and augmentation.
            policy: how a batch is composed. `any`: a window in random order. `distinct_identity`: no two
                clips of a batch show the same person, as far as the window allows. Both visit each row once
                per epoch.
            rows: use these rows only (a fold, a split).
            anchors: frames of which each clip must show one, by row; rows without any are left out.
            window_units: units shuffled together; more mix better and hold more shards open.

        Raises:
            ShardError: no row can hold the clip.
            ValueError: a number that must be positive is not.
        """
        if global_batch < 1 or window_units < 1:
            raise ValueError(
                f"global_batch and window_units must be positive, found {global_batch} and {window_units}"
            )
        self.columns, self.spec, self.global_batch, self.seed = columns, spec, global_batch, seed
        self.policy, self.anchors, self.window_units = policy, anchors, window_units
        asked = np.arange(len(columns.unit)) if rows is None else np.asarray(rows, np.int64)
        if anchors is not None:
            asked = asked[[len(anchors.get(int(row), ())) > 0 for row in asked]]
        usable = np.fromiter((fits(columns.times(int(row)), spec) for row in asked), bool, len(asked))
        self._planned = asked[usable]
        self.too_short = int(len(asked) - len(self._planned))
        """Rows left out because they cannot hold the clip."""
        if not len(self._planned):
            raise ShardError(
                f"none of the {len(asked)} samples asked for can hold a clip of {spec}; "
                "shorten num_frames or gap_seconds, or pack longer samples"
            )
        units, counts = np.unique(columns.unit[self._planned], return_counts=True)
        self._rows_of_unit = {int(unit): int(count) for unit, count in zip(units, counts, strict=True)}
        # A window serves many consecutive steps.
        self._epoch_blocks = lru_cache(maxsize=4)(self._make_epoch_blocks)
        self._block_rows = lru_cache(maxsize=4)(self._make_block_rows)
        self._block_order = lru_cache(maxsize=4)(self._make_block_order)

    @property
    def num_rows(self) -> int:
        """N: samples visited once per epoch."""
        return len(self._planned)

    @property
    def last_step(self) -> int | None:
        return None

    def describe(self) -> dict[str, object]:
        """What defines the order; a resumed run must agree in each entry."""
        return {
            "set": self.columns.digest,
            "left_out": list(self.columns.left_out),
            "seed": self.seed,
            "global_batch": self.global_batch,
            "policy": self.policy,
            # As JSON gives it back: a stored description has lists for tuples.
            **{
                f"clip.{name}": list(value) if isinstance(value, tuple) else value
                for name, value in asdict(self.spec).items()
            },
            "window_units": self.window_units,
            "rows": digest_of(self._planned.tolist()),
            "anchors": digest_of(sorted((row, list(frames)) for row, frames in (self.anchors or {}).items())),
        }

    def batch(self, step: int) -> list[PlannedClip]:
        """The G clips of one global step, in the order in which ranks share them."""
        first = step * self.global_batch
        return [self._clip(first + i, int(row)) for i, row in enumerate(self._rows(first, self.global_batch))]

    def duplicate_identities(self, step: int) -> int:
        """Clips of the step whose person another clip of it shows already."""
        identity_G = self.columns.identity[self._rows(step * self.global_batch, self.global_batch)]
        return int(len(identity_G) - len(np.unique(identity_G)))

    def _rows(self, position: int, count: int) -> IntArray:
        parts: list[IntArray] = []
        while count:
            epoch, offset = divmod(position, self.num_rows)
            starts = self._epoch_blocks(epoch)[1]
            block = int(np.searchsorted(starts, offset, side="right")) - 1
            order = self._block_order(epoch, block)
            part = order[offset - starts[block] :][:count]
            parts.append(part)
            position, count = position + len(part), count - len(part)
        return np.concatenate(parts)

    def _make_epoch_blocks(self, epoch: int) -> tuple[list[IntArray], IntArray]:
        """The epoch's windows of units, and where each begins within the epoch."""
        shuffled = generator(self.seed, UNITS, epoch).permutation(np.array(sorted(self._rows_of_unit)))
        windows = [shuffled[i : i + self.window_units] for i in range(0, len(shuffled), self.window_units)]
        sizes = [sum(self._rows_of_unit[int(unit)] for unit in window) for window in windows]
        return windows, np.cumsum([0, *sizes])[:-1]

    def _make_block_rows(self, epoch: int, block: int) -> IntArray:
        windows, _ = self._epoch_blocks(epoch)
        rows = self._planned[np.isin(self.columns.unit[self._planned], windows[block])]
        return generator(self.seed, SAMPLES, epoch, block).permutation(rows)

    def _make_block_order(self, epoch: int, block: int) -> IntArray:
        rows = self._block_rows(epoch, block)
        if self.policy == "any":
            return rows
        windows, starts = self._epoch_blocks(epoch)
        position = epoch * self.num_rows + int(starts[block])
        after = (epoch, block + 1) if block + 1 < len(windows) else (epoch + 1, 0)
        following = self._block_rows(*after)
        return distinct_batches(
            rows,
            self.columns.identity[rows],
            self.columns.identity[following],
            head=-position % self.global_batch,
            batch=self.global_batch,
            rng=generator(self.seed, SAMPLES, epoch, len(windows) + block),
        )

    def _clip(self, position: int, row: int) -> PlannedClip:
        rng = generator(self.seed, CLIP, position)
        anchor = None
        if self.anchors is not None:
            anchor = int(rng.choice(np.asarray(self.anchors[row])))
        frames_T = draw_frames(self.columns.times(row), self.spec, rng, anchor)
        return PlannedClip(position, row, frames_T, int(rng.integers(2**62)))


@dataclass(frozen=True)
class EvaluationPlan:
    """Each row once, whole, in index order: nothing is padded or repeated. The last batch may be short."""

    columns: PlanColumns
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
        return np.arange(len(self.columns.unit)) if self.rows is None else np.asarray(self.rows, np.int64)

    def batch(self, step: int) -> list[PlannedClip]:
        first = step * self.global_batch
        chosen = self._chosen[first : first + self.global_batch]
        rng = generator(0, CLIP, 0)
        return [
            PlannedClip(first + i, int(row), draw_frames(self.columns.times(int(row)), self.spec, rng), 0)
            for i, row in enumerate(chosen)
        ]


def share_of(clips: Sequence[PlannedClip], rank: int, size: int) -> Sequence[PlannedClip]:
    """Rank `rank`'s contiguous part of a global batch.

    Raises:
        ValueError: the batch does not divide by the number of ranks.
    """
    if len(clips) % size:
        raise ValueError(
            f"a global batch of {len(clips)} clips does not divide by {size} ranks; "
            f"use {len(clips) // size * size or size} clips or another number of ranks"
        )
    local = len(clips) // size
    return clips[rank * local : (rank + 1) * local]


def refuse_other_order(stored: Mapping[str, object], plan: Plan) -> None:
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
