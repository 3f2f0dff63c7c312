"""A shard set opened for reading: its manifest and the columns of its index.

Axes: N sample rows, F frames of all rows one after another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shards.draw import IntArray
from shards.errors import ShardError
from shards.index import open_set
from shards.plan import PlanColumns
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER, Manifest, identity_hash
from shards.tombstones import hidden, tombstones


@dataclass(frozen=True)
class TrackSet:
    """Where every frame of a set lies and what its rows show."""

    url: str
    manifest: Manifest
    columns: PlanColumns
    keys: list[str]
    shards: list[str]
    identities: list[str]
    videos: list[str]
    activities: list[str | None]
    track: IntArray
    piece: IntArray
    frame_number: IntArray
    """(F,) number of the frame in its source."""
    frame_offset: IntArray
    frame_length: IntArray
    frame_crc32: IntArray
    label_members: dict[str, list[tuple[int, int, int] | None]]
    """By member name: offset, length and CRC of each row's label array, or None."""
    withheld: NDArray[np.bool_]
    """(N,) rows of people and videos that were forgotten since the run began: planned, and never read."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def num_frames(self) -> IntArray:
        """(N,) frames of each row."""
        return self.columns.num_frames

    def frames_of(self, row: int) -> slice:
        """Where a row's frames stand in the (F,) arrays."""
        start = int(self.columns.time_start[row])
        return slice(start, start + int(self.columns.num_frames[row]))

    def rows_of(self, identities: set[str]) -> IntArray:
        """Rows that show one of these people."""
        return np.flatnonzero([identity in identities for identity in self.identities])


def load_tracks(url: str, left_out: Collection[str] | None = None) -> TrackSet:
    """Open a finished set; reads its manifest and index, checked against the manifest's digests.

    Args:
        url: the set.
        left_out: hashes of forgotten people and videos whose rows are left out; None is all that are
            forgotten. A run that goes on gives those of its start, so that its order stays: who was forgotten
            since then keeps its rows, and none of them is read.

    Raises:
        ShardError: the set is unfinished, damaged or of another format version.
    """
    manifest, table = open_set(url)
    forgotten = tombstones(url)
    left_out = forgotten if left_out is None else tuple(sorted(left_out))
    if not table.num_rows:
        raise ShardError(f"{url} holds no samples; its failures/ folder says why each source gave nothing")
    unit = np.repeat(np.arange(len(manifest.indexes)), [entry.rows for entry in manifest.indexes])
    names, videos = table["identity"].to_pylist(), table["video"].to_pylist()
    hashes = {name: identity_hash(manifest.namespace, name) for name in set(names)}
    identity = np.array([hashes[name] for name in names], np.int64)
    kept = ~hidden(manifest.namespace, names, videos, left_out)
    if not kept.any():
        raise ShardError(f"{url}: everyone in it is forgotten; pack another set")
    withheld = hidden(manifest.namespace, names, videos, forgotten)[kept]
    return _columns(url, manifest, table.filter(kept), unit[kept], identity[kept], withheld, left_out)


def _columns(
    url: str,
    manifest: Manifest,
    table: Any,
    unit: IntArray,
    identity: IntArray,
    withheld: NDArray[np.bool_],
    left_out: tuple[str, ...],
) -> TrackSet:
    def flat(name: str, dtype: type) -> NDArray[Any]:
        return cast(
            NDArray[Any], table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(dtype)
        )

    num_frames = table["num_frames"].to_numpy().astype(np.int64)
    columns = PlanColumns(
        digest=manifest.digest,
        unit=unit,
        identity=identity,
        num_frames=num_frames,
        time_start=np.cumsum(num_frames) - num_frames,
        time_seconds=flat("time_seconds", np.float64),
        left_out=left_out,
    )
    labelled = {OCCURRENCE_MEMBER: table["has_occurrence"], INTENSITY_MEMBER: table["has_intensity"]}
    members = table["members"] if any(any(flags.to_pylist()) for flags in labelled.values()) else None
    return TrackSet(
        url=url,
        manifest=manifest,
        columns=columns,
        keys=table["key"].to_pylist(),
        shards=table["shard"].to_pylist(),
        identities=table["identity"].to_pylist(),
        videos=table["video"].to_pylist(),
        activities=table["activity"].to_pylist(),
        track=table["track"].to_numpy().astype(np.int64),
        piece=table["piece"].to_numpy().astype(np.int64),
        frame_number=flat("frame_number", np.int64),
        frame_offset=flat("frame_offset", np.int64),
        frame_length=flat("frame_length", np.int64),
        frame_crc32=flat("frame_crc32", np.int64),
        label_members={
            name: [None] * len(unit)
            if members is None
            else [_place(row, name) for row in members.to_pylist()]
            for name in labelled
        },
        withheld=withheld,
    )


def _place(members: list[dict[str, Any]], name: str) -> tuple[int, int, int] | None:
    for member in members:
        if member["name"].endswith(f".{name}"):
            return member["offset"], member["length"], member["crc32"]
    return None
