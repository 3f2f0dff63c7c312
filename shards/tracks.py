"""A shard set opened for reading: its manifest, and the index rows of each unit when they are asked for.

Rows are numbered through the whole set, unit by unit in the manifest's order, without those of whom the run
leaves out. A set of a hundred million rows costs what its manifest and `reach/` take; the columns of
all rows at once (`keys`, `identities`, ...) are for sets that fit in memory, such as the labelled ones.

Axes: N sample rows, U units.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shards import storage
from shards.batch import ClipSpec
from shards.errors import ShardError
from shards.index import from_parquet, read_manifest, read_pinned
from shards.reach import IntArray, ReachCounts
from shards.schema import OCCURRENCE_MEMBER, Manifest
from shards.tombstones import affected_units, tombstones
from shards.unit_rows import COLUMNS, LABELLED_COLUMNS, UnitRows

KEPT_ROWS = 50_000
"""Rows of units kept after their use, about a kilobyte each; plans of larger windows ask for more."""
UNITS_AT_ONCE = 8
"""Read from the store beside one another."""


class TrackSet:
    """Where every frame of a set lies and what its rows show; its methods may be called from any thread."""

    def __init__(
        self, url: str, manifest: Manifest, counts: ReachCounts, left_out: Collection[str] | None = None
    ) -> None:
        """See `load_tracks`."""
        self.url, self.manifest = url, manifest
        forgotten = tombstones(url)
        self.left_out = forgotten if left_out is None else tuple(sorted(left_out))
        self._forgotten = forgotten
        self._counts = counts
        self._kept: OrderedDict[int, UnitRows] = OrderedDict()
        self._lock, self._kept_rows = Lock(), KEPT_ROWS
        self.rows_U = np.array([entry.rows for entry in manifest.indexes], np.int64)
        self.first_row_U = np.zeros(len(self.rows_U), np.int64)
        affected = affected_units(url, manifest, self.left_out)
        self._filtered = {unit: self.unit(unit) for unit in affected}
        for unit, rows in self._filtered.items():
            self.rows_U[unit] = len(rows)
        self.first_row_U = np.cumsum(self.rows_U) - self.rows_U

    def __len__(self) -> int:
        return int(self.rows_U.sum())

    @property
    def digest(self) -> str:
        """Identity of the set."""
        return self.manifest.digest

    def usable(self, spec: ClipSpec) -> IntArray:
        """(U,) rows of each unit that can hold a clip."""
        usable_U = self._counts.usable(spec, len(self.rows_U))
        for unit, rows in self._filtered.items():
            usable_U[unit] = rows.reach.fits(spec).sum() if len(rows) else 0
        return usable_U

    def unit(self, unit: int) -> UnitRows:
        """The rows of one unit.

        Raises:
            ShardError: the index is not the one that the manifest names, or cannot be read.
        """
        with self._lock:
            found = self._kept.get(unit)
            if found is not None:
                self._kept.move_to_end(unit)
                return found
        found = self._read(unit)
        with self._lock:
            self._kept[unit] = found
            rows = sum(len(kept) for kept in self._kept.values())
            while rows > self._kept_rows and len(self._kept) > 1:
                rows -= len(self._kept.popitem(last=False)[1])
        return found

    def keep(self, rows: int) -> None:
        """Keep at least so many rows of units after their use."""
        self._kept_rows = max(self._kept_rows, rows)

    def units(self, units: Sequence[int]) -> list[UnitRows]:
        """Several units, read beside one another."""
        with ThreadPoolExecutor(UNITS_AT_ONCE) as pool:
            return list(pool.map(self.unit, units))

    def unit_of(self, row: int) -> int:
        """The unit that a row of the set is in."""
        return int(np.searchsorted(self.first_row_U, row, side="right")) - 1

    def place(self, row: int) -> tuple[UnitRows, int]:
        """A row's unit, and its number within it."""
        unit = self.unit_of(row)
        return self.unit(unit), row - int(self.first_row_U[unit])

    def frame_places(self, row: int) -> tuple[IntArray, IntArray, NDArray[np.uint32]]:
        """Offset in the row's shard, length and CRC of each of its frames."""
        rows, number = self.place(row)
        return rows.frame_places(number)

    def aus_of(self, member: str) -> list[int]:
        """A: the AUs that labels of this member name are of."""
        if member == OCCURRENCE_MEMBER:
            return self.manifest.occurrence_aus
        return self.manifest.intensity_aus

    def times(self, row: int) -> NDArray[np.float64]:
        """A row's frame times in seconds."""
        rows, number = self.place(row)
        return rows.times(number)

    def provenance(self, row: int) -> str:
        """Where a row's sample is, for messages."""
        rows, number = self.place(row)
        return f"{storage.join(self.url, rows.name('shard', number))}#{rows.name('key', number)}"

    def key(self, row: int) -> str:
        """A row's key."""
        rows, number = self.place(row)
        return str(rows.name("key", number))

    @cached_property
    def keys(self) -> list[str]:
        """(N,) keys."""
        return self._names("key")

    @cached_property
    def shards(self) -> list[str]:
        """(N,) names of shards."""
        return self._names("shard")

    @cached_property
    def identities(self) -> list[str]:
        """(N,) people."""
        return self._names("identity")

    @cached_property
    def videos(self) -> list[str]:
        """(N,) videos."""
        return self._names("video")

    @cached_property
    def activities(self) -> list[str | None]:
        """(N,) what people were asked to do, where the set says it."""
        return self._names("activity")

    @cached_property
    def expressions(self) -> list[str | None]:
        """(N,) what each row shows, where the set says it."""
        return self._names("expression")

    @cached_property
    def track(self) -> IntArray:
        """(N,) numbers of tracks within their videos."""
        return np.array(self._names("track"), np.int64)

    @cached_property
    def piece(self) -> IntArray:
        """(N,) numbers of pieces within their tracks."""
        return np.array(self._names("piece"), np.int64)

    @cached_property
    def num_frames(self) -> IntArray:
        """(N,) frames of each row."""
        return np.concatenate([rows.num_frames_N for rows in self._all])

    def rows_of(self, identities: set[str]) -> IntArray:
        """Rows that show one of these people."""
        return np.flatnonzero([identity in identities for identity in self.identities])

    @cached_property
    def withheld(self) -> NDArray[np.bool_]:
        """(N,) rows of people and videos that were forgotten since the run began."""
        return np.concatenate([rows.withheld_N for rows in self._all])

    def labelled(self, member: str) -> NDArray[np.bool_]:
        """(N,) which rows have labels of this member name."""
        places = [rows.labels.get(member, [None] * len(rows)) for rows in self._all]
        return np.array([place is not None for unit in places for place in unit], np.bool_)

    def _names(self, column: str) -> list[Any]:
        return [value for rows in self._all for value in rows.names[column].to_pylist()]

    @cached_property
    def _all(self) -> list[UnitRows]:
        return self.units(range(len(self.rows_U)))

    def _read(self, unit: int) -> UnitRows:
        entry = self.manifest.indexes[unit]
        content = read_pinned(self.url, entry)
        is_labelled = self.manifest.occurrence_aus or self.manifest.intensity_aus
        table = from_parquet(content, entry.name, LABELLED_COLUMNS if is_labelled else COLUMNS)
        rows = UnitRows.from_table(table, self.manifest.namespace, self.left_out, self._forgotten)
        # Arrow keeps what it has freed: 25 MB more in a process where units come and go.
        pa.default_memory_pool().release_unused()
        return rows


def load_tracks(url: str, left_out: Collection[str] | None = None) -> TrackSet:
    """Open a finished set; what is read of it is checked against the manifest's digests.

    Args:
        url: the set.
        left_out: hashes of forgotten people and videos whose rows are left out; None is all that are
            forgotten. A run that goes on gives those of its start, so that its order stays: who was forgotten
            since then keeps its rows, and none of them is read.

    Raises:
        ShardError: the set is unfinished, damaged or of another format version, or shows nobody.
    """
    manifest = read_manifest(url)
    if not manifest.totals.samples:
        raise ShardError(f"{url} holds no samples; its failures/ folder says why each source gave nothing")
    counts = ReachCounts.from_parquet(read_pinned(url, manifest.reach), manifest.reach.name)
    tracks = TrackSet(url, manifest, counts, left_out)
    if not len(tracks):
        raise ShardError(f"{url}: everyone in it is forgotten; pack another set")
    return tracks
