"""A set for plans without files: index tables of made-up rows, opened as the real ones are."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shards.batch import ClipSpec
from shards.index import INDEX_SCHEMA
from shards.reach import IntArray, ReachCounts, reach_parquet
from shards.unit_rows import UnitRows

RATE = 25.0


@dataclass(frozen=True)
class MadeRow:
    """A sample: `frames` at `rate` per second, from `begin_seconds` on."""

    person: int
    video: str
    piece: int = 0
    frames: int = 20
    rate: float = RATE
    begin_seconds: float = 0.0
    activity: str | None = None


@dataclass
class PlannedRows:
    """Units of rows; counts which units were opened."""

    made: list[list[MadeRow]]
    left_out: tuple[str, ...] = ()
    digest: str = "set"
    opened: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows_U = np.array([len(rows) for rows in self.made])
        self.first_row_U = np.cumsum(self.rows_U) - self.rows_U
        self._made = [
            UnitRows.from_table(table_of(rows, number), "set", (), ())
            for number, rows in enumerate(self.made)
        ]
        content = reach_parquet([rows.reach for rows in self._made])
        self._counts = ReachCounts.from_parquet(content, "made")

    def usable(self, spec: ClipSpec) -> IntArray:
        return self._counts.usable(spec, len(self.made))

    def unit(self, unit: int) -> UnitRows:
        self.opened.append(unit)
        return self._made[unit]

    def units(self, units: list[int]) -> list[UnitRows]:
        return [self.unit(unit) for unit in units]

    def keep(self, rows: int) -> None:
        pass

    def place(self, row: int) -> tuple[UnitRows, int]:
        unit = int(np.searchsorted(self.first_row_U, row, side="right")) - 1
        return self.unit(unit), row - int(self.first_row_U[unit])


def table_of(rows: list[MadeRow], unit: int = 0) -> pa.Table:
    """The index table of a unit."""
    return pa.Table.from_pylist(
        [_entry(row, f"{unit}-{place}") for place, row in enumerate(rows)], INDEX_SCHEMA
    )


def _entry(row: MadeRow, key: str) -> dict[str, object]:
    return {
        "key": key,
        "shard": "shards/made-000.tar",
        "identity": f"person{row.person}",
        "video": row.video,
        "track": 0,
        "piece": row.piece,
        "next_key": None,
        "activity": row.activity,
        "expression": None,
        "num_frames": row.frames,
        "time_seconds": [row.begin_seconds + frame / row.rate for frame in range(row.frames)],
        "frame_number": list(range(row.frames)),
        "frame_offset": [100 * frame for frame in range(row.frames)],
        "frame_length": [100] * row.frames,
        "frame_crc32": [0] * row.frames,
        "members": [],
        "has_occurrence": False,
        "has_intensity": False,
        "look": bytes(32),
    }


def people_in_turn(units: list[int], people: int, **more: float) -> PlannedRows:
    """`units[u]` rows in unit u, each of a video of its own; people dealt in turn."""
    rows = [MadeRow(number % people, f"video{number}", **more) for number in range(sum(units))]
    ends = np.cumsum(units).tolist()
    return PlannedRows([rows[end - count : end] for end, count in zip(ends, units, strict=True)])


def pieces(count: int, frames: int, person: int = 0, without: tuple[int, ...] = ()) -> list[MadeRow]:
    """A track cut into samples, some of which are not there."""
    return [
        MadeRow(person, f"track{person}", number, frames, RATE, number * frames / RATE)
        for number in range(count)
        if number not in without
    ]
