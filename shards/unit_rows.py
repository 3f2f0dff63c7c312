"""The index rows of one unit, in arrays: what planning and reading need of them.

Axes: N sample rows, F frames of all rows one after another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.reach import IntArray, Reach
from shards.runs import Runs
from shards.schema import FRAMES_MEMBER, INTENSITY_MEMBER, OCCURRENCE_MEMBER, identity_hash
from shards.tombstones import hidden

FLAGS = {OCCURRENCE_MEMBER: "has_occurrence", INTENSITY_MEMBER: "has_intensity"}
ACTIVITY = "activity"
"""Namespace of the hashes of activities: those of all sets are one."""
NAMES = ("key", "shard", "identity", "video", "activity", "expression", "track", "piece", "num_frames")
SAID = ("key", "shard", "activity", "expression")
"""Of these, what readers ask for row by row."""
COLUMNS = (*NAMES, "time_seconds", "frame_offset", "frame_length", "frame_crc32", *FLAGS.values())
LABELLED_COLUMNS = (*COLUMNS, "members")
"""Of a set that has labels."""


class Place(NamedTuple):
    """Bytes in a shard."""

    offset: int
    length: int
    crc32: int


@dataclass(frozen=True)
class Stretch:
    """Neighbouring pieces of one run, in the order of time; P pieces, F frames of all of them."""

    rows_P: list[int]
    starts_P: list[int]
    """Where each piece's frames begin."""
    time_seconds_F: NDArray[np.float64]
    own: slice
    """Frames of the sample that was asked for."""

    def places(self, frames_T: IntArray) -> tuple[IntArray, IntArray]:
        """Row, and frame within that row, of frames of the stretch."""
        if len(self.rows_P) == 1:
            return np.full(len(frames_T), self.rows_P[0]), frames_T
        piece_T = np.searchsorted(self.starts_P, frames_T, side="right") - 1
        return np.asarray(self.rows_P)[piece_T], frames_T - np.asarray(self.starts_P)[piece_T]


@dataclass(frozen=True)
class UnitRows:
    """Rows of one unit without those of whom the run leaves out."""

    names: Any
    """A pyarrow table of the columns `NAMES`."""
    identity_N: IntArray
    """63-bit hashes of set namespace and person."""
    activity_N: IntArray
    """63-bit hashes of what people were asked to do; -1 where the set does not say."""
    withheld_N: NDArray[np.bool_]
    """Rows of people and videos that were forgotten since the run began: planned, and never read."""
    num_frames_N: IntArray
    frame_start_N: IntArray
    """Where a row's frames begin in the arrays of frames."""
    time_seconds_F: NDArray[np.float64]
    first_offset_N: IntArray
    """Where a row's frames begin in its shard; they lie one after another."""
    frame_length_F: NDArray[np.uint32]
    frame_crc32_F: NDArray[np.uint32]
    labels: dict[str, list[Place | None]]
    """By member name; no entry where no row has labels of this kind."""

    @classmethod
    def from_table(
        cls, table: Any, namespace: str, left_out: Collection[str], forgotten: Collection[str]
    ) -> Self:
        """Rows of an index table, but for those of `left_out`; those of `forgotten` are withheld."""
        withheld_N = np.zeros(table.num_rows, np.bool_)
        if left_out or forgotten:
            people, videos = table["identity"].to_pylist(), table["video"].to_pylist()
            kept_N = ~hidden(namespace, people, videos, left_out)
            withheld_N = hidden(namespace, people, videos, forgotten)[kept_N]
            table = table.filter(kept_N)
        names = table.select(NAMES).combine_chunks()
        num_frames_N = names["num_frames"].to_numpy().astype(np.int64)
        frame_start_N = np.cumsum(num_frames_N) - num_frames_N
        offset_F, length_F = _flat(table, "frame_offset"), _flat(table, "frame_length")
        _check_contiguous(names, offset_F, length_F, frame_start_N)
        return cls(
            names=names,
            identity_N=_hashed(namespace, names["identity"]),
            activity_N=_hashed(ACTIVITY, names["activity"]),
            withheld_N=withheld_N,
            num_frames_N=num_frames_N,
            frame_start_N=frame_start_N,
            time_seconds_F=_flat(table, "time_seconds"),
            first_offset_N=offset_F[frame_start_N],
            frame_length_F=length_F.astype(np.uint32),
            frame_crc32_F=_flat(table, "frame_crc32").astype(np.uint32),
            labels={
                name: _places(table, name) for name, flag in FLAGS.items() if any(table[flag].to_pylist())
            },
        )

    def __len__(self) -> int:
        return len(self.num_frames_N)

    def name(self, column: str, row: int) -> Any:
        """A row's value of one of the columns `SAID`."""
        return self._lists[column][row]

    @cached_property
    def _lists(self) -> dict[str, list[Any]]:
        # A pyarrow value costs a microsecond, and its making is not done side by side.
        return {column: self.names[column].to_pylist() for column in SAID}

    def frames_of(self, row: int) -> slice:
        """Where a row's frames stand in the arrays of frames."""
        start = int(self.frame_start_N[row])
        return slice(start, start + int(self.num_frames_N[row]))

    def times(self, row: int) -> NDArray[np.float64]:
        """A row's frame times in seconds."""
        return self.time_seconds_F[self.frames_of(row)]

    def frame_places(self, row: int) -> tuple[IntArray, IntArray, NDArray[np.uint32]]:
        """Offset in the shard, length and CRC of each of a row's frames."""
        mine = self.frames_of(row)
        length_T = self.frame_length_F[mine].astype(np.int64)
        offset_T = self.first_offset_N[row] + np.cumsum(length_T) - length_T
        return offset_T, length_T, self.frame_crc32_F[mine]

    @cached_property
    def reach(self) -> Reach:
        """What clips the rows can hold."""
        return self._runs.reach(self.num_frames_N)

    def stretch(self, row: int, seconds: float) -> Stretch:
        """The sample and as much of its run as a clip of `seconds` that begins in it may need."""
        rows_P = self._runs.around(row, seconds)
        starts_P = [0, *np.cumsum(self.num_frames_N[rows_P]).tolist()[:-1]]
        place = starts_P[rows_P.index(row)]
        times = [self.times(other) for other in rows_P]
        return Stretch(
            rows_P,
            starts_P,
            times[0] if len(times) == 1 else np.concatenate(times),
            slice(place, place + int(self.num_frames_N[row])),
        )

    @cached_property
    def _runs(self) -> Runs:
        track_N, piece_N = (self.names[name].to_numpy().astype(np.int64) for name in ("track", "piece"))
        last_N = self.frame_start_N + self.num_frames_N - 1
        times_N = self.time_seconds_F[self.frame_start_N], self.time_seconds_F[last_N]
        return Runs.of_columns(_codes(self.names["video"])[0], track_N, piece_N, *times_N)


def _codes(column: Any) -> tuple[IntArray, list[str]]:
    """A number for each distinct text of a column, -1 for none, and the texts."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _hashed(namespace: str, column: Any) -> IntArray:
    code_N, names = _codes(column)
    return np.array([*(identity_hash(namespace, name) for name in names), -1], np.int64)[code_N]


def _flat(table: Any, name: str) -> NDArray[Any]:
    flat: NDArray[Any] = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat


def _check_contiguous(names: Any, offset_F: IntArray, length_F: IntArray, frame_start_N: IntArray) -> None:
    """Refuse an index whose samples are not one JPEG after another."""
    follows_F = np.ones(len(offset_F), bool)
    follows_F[1:] = offset_F[1:] == offset_F[:-1] + length_F[:-1]
    follows_F[frame_start_N] = True
    if not follows_F.all():
        row = int(np.searchsorted(frame_start_N, int(np.argmin(follows_F)), side="right")) - 1
        raise ShardError(
            f"index row {names['key'][row].as_py()}: its frames do not follow one another in "
            f"<key>.{FRAMES_MEMBER}; run `python -m shards verify`"
        )


def _places(table: Any, name: str) -> list[Place | None]:
    places: list[Place | None] = []
    for members in table["members"].to_pylist():
        mine = [member for member in members if member["name"].endswith(f".{name}")]
        places.append(Place(*(mine[0][part] for part in Place._fields)) if mine else None)
    return places
