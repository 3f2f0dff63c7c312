"""Label files of numbers: what their lines hold, and many of them as one matrix.

Axes: F labelled frames, A action units.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.layout import Labels
from shards.schema import MISSING, Failure

ByFrame = dict[int, int]
"""Label by frame number, `MISSING` where nobody could code it."""
LAST_FRAME = 1_000_000
"""Eleven hours at 25 per second; a larger number is a damaged line, and would take all memory."""
NUMBER = re.compile(r"([+-]?\d{1,12})(?:\.0*)?")
UNIT_NAME = re.compile(r"(?:AU)?[ _]?0*(\d{1,3})", re.IGNORECASE)

Content = TypeVar("Content")


@dataclass(frozen=True)
class Line:
    """A line of a file, cut at its commas."""

    number: int
    """Counted from 1, blank lines too."""
    place: str
    """File and line number, for messages."""
    cells: list[str]


def read_lines(path: Path) -> Iterator[Line]:
    """The file's lines that are not blank; cells without spaces and quotes around them."""
    # Line by line: AffectNet's list has half a gigabyte.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                cells = [cell.strip().strip("\"'").strip() for cell in line.split(",")]
                yield Line(number, f"{path.name}, line {number}", cells)


def frame_number(line: Line, first: int = 0) -> int:
    """The frame number in a line's first cell.

    Raises:
        ShardError: it is no whole number, or one that no video reaches.
    """
    match = NUMBER.fullmatch(line.cells[0])
    if match is None or not first <= int(match[1]) <= LAST_FRAME:
        raise ShardError(
            f"{line.place}: wanted a frame number from {first} to {LAST_FRAME} first, "
            f"found {line.cells[0][:40]!r}"
        )
    return int(match[1])


def label(line: Line, column: int, highest: int) -> int:
    """The label in a cell: 0 to `highest`, `MISSING` for any other number and for an empty cell.

    Raises:
        ShardError: the line is too short, or the cell holds something else.
    """
    if column >= len(line.cells):
        raise ShardError(f"{line.place}: wanted at least {column + 1} columns, found {len(line.cells)}")
    cell = line.cells[column]
    if not cell or cell.lower() == "nan":
        return MISSING
    match = NUMBER.fullmatch(cell)
    if match is None:
        raise ShardError(f"{line.place}, column {column + 1}: wanted a number, found {cell[:40]!r}")
    return int(match[1]) if 0 <= int(match[1]) <= highest else MISSING


def unit_number(name: str) -> int | None:
    """The action unit that a column's name stands for: `12`, `AU12`, `AU 06`; None for other names."""
    match = UNIT_NAME.fullmatch(name)
    return int(match[1]) if match else None


def put_once(frames: ByFrame, frame: int, value: int, line: Line) -> None:
    """Add a frame's label.

    Raises:
        ShardError: the frame has one already.
    """
    if frame in frames:
        raise ShardError(f"{line.place}: frame {frame} comes twice")
    frames[frame] = value


def read_frame_values(path: Path, highest: int, first: int = 0) -> ByFrame:
    """A file without a header whose lines are `frame,value`; see `label` for what is missing.

    Raises:
        ShardError: a line is something else, or a frame comes twice.
    """
    found: ByFrame = {}
    for line in read_lines(path):
        if len(line.cells) != 2:
            shown = ",".join(line.cells)[:40]
            raise ShardError(f"{line.place}: wanted `frame,intensity`, found {shown!r}")
        put_once(found, frame_number(line, first), label(line, 1, highest), line)
    return found


def try_to_read(
    read: Callable[[Path], Content], path: Path, name: str, failures: list[Failure]
) -> Content | None:
    """`read(path)`, or None and a ledger line of the file `name`: a wrong file costs that file only."""
    try:
        return read(path)
    except (ShardError, OSError) as error:
        what = getattr(error, "strerror", None) or error
        failures.append(Failure(name, "label", "bad_labels", str(what)))
        return None


def first_and_last(columns: Iterable[ByFrame]) -> tuple[int, int] | None:
    """The lowest and the highest frame number; None where there are no frames."""
    numbers = [number for frames in columns if frames for number in (min(frames), max(frames))]
    return (min(numbers), max(numbers)) if numbers else None


def as_matrix(columns: Mapping[int, ByFrame], aus: Sequence[int], span: tuple[int, int]) -> NDArray[np.int8]:
    """(F, A) labels in the order of `aus`, of the frames from `span[0]` to `span[1]`; missing where none."""
    first, last = span
    labels_FA = np.full((last - first + 1, len(aus)), MISSING, np.int8)
    for column, au in enumerate(aus):
        frames = columns.get(au, {})
        rows = np.fromiter(frames, np.int64, len(frames)) - first
        labels_FA[rows, column] = np.fromiter(frames.values(), np.int8, len(frames))
    return labels_FA


def missing_columns(name: str, columns: Mapping[int, ByFrame], aus: Sequence[int]) -> list[Failure]:
    """A ledger line where the file `name` was read and lacks some of the AUs."""
    lacking = [str(au) for au in aus if au not in columns]
    return (
        [Failure(name, "label", "missing_column", f"of AU {', '.join(lacking)}")]
        if columns and lacking
        else []
    )


@dataclass(frozen=True)
class LoadOccurrence:
    """Loads a source whose labels are one file, with a column per AU."""

    name: str
    """The file's, relative to the data set's folder."""
    path: Path
    read: Callable[[Path], dict[int, ByFrame]]
    aus: Sequence[int]

    def __call__(self) -> Labels | None:
        failures: list[Failure] = []
        columns = try_to_read(self.read, self.path, self.name, failures) or {}
        failures += missing_columns(self.name, columns, self.aus)
        span = first_and_last(columns.values())
        if span is None:
            return Labels(0, None, None, failures) if failures else None
        return Labels(span[0], as_matrix(columns, self.aus, span), None, failures)
