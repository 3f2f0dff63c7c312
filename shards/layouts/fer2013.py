"""FER2013's pictures out of its numbers: `python -m shards.layouts.fer2013 FOLDER`.

    <FOLDER>/fer2013.csv           a line per picture with `pixels`, 48 rows of 48 grey values, and `Usage`
    <FOLDER>/fer2013new.csv        of FER+: the same lines in the same order, with the pictures' names
    <FOLDER>/FER2013Train/*.png    is written, and FER2013Valid and FER2013Test, without loss

Pictures that are there are kept, so that the same command goes on where it was stopped.
"""

import re
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.ferplus import LIST_NAME, NAME, PART, PIXELS_NAME, columns_of, folder_of
from shards.layouts.tables import Line, read_lines

SIDE = 48
PIXELS = "pixels"
PICTURE_NAME = re.compile(r"\w+\.png")


@dataclass
class Unpacked:
    """How many pictures there are now, and which lines gave none."""

    written: int = 0
    there: int = 0
    without_name: int = 0
    """FER+ names no picture where all votes say that it is no face."""
    twice: int = 0
    """FER+ gives four names to two lines each; the first line's picture has the name."""


def grey_png(grey_HW: NDArray[np.uint8]) -> bytes:
    """A grey picture as PNG (ISO/IEC 15948): 8 bits a pixel, rows without filter."""
    height, width = grey_HW.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = np.pad(grey_HW, ((0, 0), (1, 0))).tobytes()  # a row begins with its filter's number, 0
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def parse_pixels(text: str, place: str) -> NDArray[np.uint8]:
    """(48, 48) grey values.

    Raises:
        ShardError: it is another number of values, or one is no grey value.
    """
    cells = text.split()
    if len(cells) != SIDE * SIDE or not all(cell.isascii() and cell.isdigit() for cell in cells):
        raise ShardError(
            f"{place}: wanted {SIDE * SIDE} grey values, found {len(cells)} values like {text[:20]!r}"
        )
    values = np.array(cells, np.int64)
    if values.max() > np.iinfo(np.uint8).max:
        raise ShardError(f"{place}: wanted grey values from 0 to 255, found {values.max()}")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def pairs(root: Path) -> Iterator[tuple[str, str, Line, str]]:
    """Folder, name, line and pixels of each picture.

    Raises:
        ShardError: a file has other columns, or the lines of the two files do not belong together.
    """
    pixel_lines, vote_lines = read_lines(root / PIXELS_NAME), read_lines(root / LIST_NAME)
    pixel_columns = columns_of(next(pixel_lines, None), (PART, PIXELS), PIXELS_NAME)
    vote_columns = columns_of(next(vote_lines, None), (PART, NAME), LIST_NAME)
    for pixels, votes in zip_longest(pixel_lines, vote_lines):
        for line, columns in ((pixels, pixel_columns), (votes, vote_columns)):
            if line is None or len(line.cells) <= max(columns):
                other = (votes or pixels).place
                raise ShardError(f"{other} has no equal in the other file; take both files whole")
        part, values = (pixels.cells[column] for column in pixel_columns)
        same_part, name = (votes.cells[column] for column in vote_columns)
        if part != same_part:
            raise ShardError(f"{pixels.place} is of {part[:20]!r}, {votes.place} of {same_part[:20]!r}")
        if name and not PICTURE_NAME.fullmatch(name):
            raise ShardError(f"{votes.place}: wanted a name like fer0000000.png, found {name[:40]!r}")
        yield folder_of(part), name, pixels, values


def unpack(root: Path) -> Unpacked:
    """Write the pictures of `root`; each gets its name only when it is complete.

    Raises:
        ShardError: a file is missing, or does not hold what it should; names the line.
    """
    for name in (PIXELS_NAME, LIST_NAME):
        if not (root / name).is_file():
            raise ShardError(f"there is no {name} in {root}; put {PIXELS_NAME} and FER+'s {LIST_NAME} there")
    found, seen = Unpacked(), set()
    for folder, name, line, values in pairs(root):
        path = root / folder / name
        if not name:
            found.without_name += 1
        elif path in seen:
            found.twice += 1
        elif path.exists():
            found.there += 1
        else:
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_name(f"{name}.partial")
            unfinished.write_bytes(grey_png(parse_pixels(values, line.place)))
            unfinished.replace(path)
            found.written += 1
        seen.add(path)
    return found


def main(argv: list[str]) -> int:
    if len(argv) != 1:
        sys.stderr.write("error: wanted the folder with fer2013.csv and fer2013new.csv, and nothing else\n")
        return 2
    try:
        found = unpack(Path(argv[0]))
    except ShardError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(
        f"{found.written} pictures written, {found.there} were there; without a picture: "
        f"{found.without_name} lines without a name, {found.twice} with the name of another\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
