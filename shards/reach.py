"""How long a clip each sample can hold, in numbers coarse enough to be counted for a whole set.

A clip with gaps may run over the pieces of a track that follow one another without a hole: a run. How much
time and how many frames a run has bounds what can be drawn from each of its samples. `reach/` counts a
set's samples by these numbers, so that a plan knows what an epoch visits without reading any unit's index.

Axes: N sample rows.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shards import storage
from shards.batch import ClipSpec
from shards.errors import ShardError
from shards.schema import FileEntry, reach_name

IntArray = NDArray[np.int64]
MOST_SECONDS = 60.0
"""No clip with gaps may be longer: longer runs are not told apart."""
FINE_SECONDS = 10.0
"""Durations below are told apart by hundredths, above by whole seconds."""
APART_PER_SECOND = 10_000
ROUNDING = 1e-3
"""Of a hundredth of a second: stored times are sums."""
SCHEMA = pa.schema([(name, pa.int32()) for name in ("unit", "frames", "apart", "centiseconds", "rows")])


@dataclass(frozen=True)
class Reach:
    """Of N samples: their frames, and time and pace of the runs that they are pieces of."""

    frames_N: IntArray
    apart_N: IntArray
    """Mean distance of a run's frames, in 1/`APART_PER_SECOND` s."""
    centiseconds_N: IntArray
    """Duration of the run, rounded down."""

    @classmethod
    def of_runs(cls, frames_N: IntArray, run_frames_N: IntArray, run_seconds_N: NDArray[np.float64]) -> Self:
        """From each sample's frames, and its run's frames and duration."""
        hundredths_N = np.floor(np.minimum(run_seconds_N, MOST_SECONDS) * 100 + ROUNDING).astype(np.int64)
        coarse_N = hundredths_N // 100 * 100
        apart_N = run_seconds_N / np.maximum(run_frames_N - 1, 1) * APART_PER_SECOND
        return cls(
            frames_N.astype(np.int64),
            apart_N.round().astype(np.int64),
            np.where(hundredths_N < FINE_SECONDS * 100, hundredths_N, coarse_N),
        )

    def apart_seconds(self, row: int) -> float:
        """Mean distance of the frames of a row's run."""
        return float(self.apart_N[row]) / APART_PER_SECOND

    def fits(self, spec: ClipSpec) -> NDArray[np.bool_]:
        """Which samples can hold a clip."""
        if spec.whole:
            return np.ones(len(self.frames_N), bool)
        if spec.gap_seconds is None:
            return self.frames_N >= spec.total_frames
        low, high = spec.gap_seconds
        apart_N = self.apart_N / APART_PER_SECOND
        length_N = (spec.num_frames - 1) * np.maximum(low, apart_N)
        return (apart_N <= high + 1 / APART_PER_SECOND) & (self.centiseconds_N >= 100 * length_N - ROUNDING)

    def counted(self, unit: int) -> Any:
        """A table of how many samples of the unit have which numbers."""
        columns_3N = np.stack([self.frames_N, self.apart_N, self.centiseconds_N])
        distinct_3K, rows_K = np.unique(columns_3N, axis=1, return_counts=True)
        unit_K = np.full(len(rows_K), unit)
        return pa.table([column.astype(np.int32) for column in (unit_K, *distinct_3K, rows_K)], schema=SCHEMA)


@dataclass(frozen=True)
class ReachCounts:
    """Samples of a whole set, counted unit by unit."""

    unit_K: IntArray
    reach_K: Reach
    rows_K: IntArray

    @classmethod
    def from_parquet(cls, content: bytes, source: str) -> Self:
        """Counts that `write_reach` wrote.

        Raises:
            ShardError: something else.
        """
        try:
            table = pq.ParquetFile(io.BytesIO(content)).read()
        except (pa.ArrowInvalid, OSError) as error:
            raise ShardError(f"{source} is not a parquet file ({error}); pack the set again") from error
        if not table.schema.equals(SCHEMA):
            raise ShardError(f"{source} has columns {table.schema.names}; pack the set again")
        unit, frames, apart, centiseconds, rows = (column.to_numpy() for column in table.columns)
        return cls(unit, Reach(frames, apart, centiseconds), rows)

    def usable(self, spec: ClipSpec, units: int) -> IntArray:
        """(U,) samples of each unit that can hold a clip."""
        fits_K = self.reach_K.fits(spec)
        counted = np.bincount(self.unit_K[fits_K], self.rows_K[fits_K], units)
        return counted.astype(np.int64)


def write_reach(url: str, reach_U: Sequence[Reach]) -> FileEntry:
    """Write the counts of all units of the set at `url`; equal counts give equal bytes."""
    content = reach_parquet(reach_U)
    sha256 = hashlib.sha256(content).hexdigest()
    storage.write_bytes(storage.join(url, reach_name(sha256)), content)
    rows = sum(len(reach.frames_N) for reach in reach_U)
    return FileEntry(reach_name(sha256), rows, len(content), sha256)


def reach_parquet(reach_U: Sequence[Reach]) -> bytes:
    """The counts as a parquet file."""
    counted = [reach.counted(unit) for unit, reach in enumerate(reach_U)]
    table = pa.concat_tables([SCHEMA.empty_table(), *counted]).combine_chunks()
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return sink.getvalue()
