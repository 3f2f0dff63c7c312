"""GFT (Sayette Group Formation Task): 96 people who talk in groups of three; occurrence of 10 AUs.

    <root>/images/001A/1.jpg          group 001 to 032, person A to C; any width of the number
    <root>/labels/001A.csv            or any folder of this depth, or <root> itself

A label file has a line per frame: its number, then a column per AU, 0 or 1; any other value (-999 as a rule)
is missing. Columns are named by a header; without one, 15 or 10 columns of AUs stand in the orders below.
30 frames a second (a recollection).
"""

import re
from dataclasses import replace
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, unknown_file
from shards.layouts.tables import (
    NUMBER,
    ByFrame,
    Line,
    LoadOccurrence,
    frame_number,
    label,
    put_once,
    read_lines,
    unit_number,
)
from shards.schema import Failure

AUS = [1, 2, 4, 6, 10, 12, 14, 15, 23, 24]
COLUMNS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 23, 24)
"""The annotated AUs in the order of a file with all of them."""
PEOPLE = tuple(f"{group:03d}{seat}" for group in range(1, 33) for seat in "ABC")
PERSON = re.compile(r"\d{3}[A-C]", re.IGNORECASE)
FRAME_RATE = 30
IMAGE_FOLDER = "images"
LABEL_FOLDER = "labels"


def read_labels(path: Path) -> dict[int, ByFrame]:
    """Occurrence by AU and frame number, of those of `AUS` that the file has.

    Raises:
        ShardError: the columns cannot be told, or a line does not fit them.
    """
    lines = list(read_lines(path))
    if not lines:
        raise ShardError(f"{path.name}: wanted a line per frame, the file is empty")
    named = NUMBER.fullmatch(lines[0].cells[0]) is None
    column_of = _named_columns(lines[0]) if named else _known_columns(lines[0])
    found: dict[int, ByFrame] = {au: {} for au in column_of}
    for line in lines[1 if named else 0 :]:
        frame = frame_number(line)
        for au, column in column_of.items():
            put_once(found[au], frame, label(line, column, 1), line)
    return found


def _named_columns(header: Line) -> dict[int, int]:
    names = [unit_number(name) for name in header.cells]
    column_of = {au: names.index(au, 1) for au in AUS if au in names[1:]}
    if not column_of:
        raise ShardError(f"{header.place}: wanted names of AUs, found {','.join(header.cells)[:60]!r}")
    return column_of


def _known_columns(line: Line) -> dict[int, int]:
    for order in (COLUMNS, tuple(AUS)):
        if len(line.cells) == 1 + len(order):
            return {au: 1 + order.index(au) for au in AUS}
    raise ShardError(
        f"{line.place}: without a header wanted a frame number and {len(COLUMNS)} or {len(AUS)} AUs, found "
        f"{len(line.cells)} columns; put a header with the AUs' names above"
    )


class GftLayout:
    name = "gft"
    occurrence_aus = AUS
    intensity_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    expressions: list[str] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        folder = root / IMAGE_FOLDER
        people = sorted(folder.iterdir()) if folder.is_dir() else []
        labels = {path.stem.upper(): path for path in sorted([*root.glob("*/*.csv"), *root.glob("*.csv")])}
        sources, failures = [], []
        for path in people:
            name = path.relative_to(root).as_posix()
            if path.is_file():
                failures.append(unknown_file(root, path))
            elif PERSON.fullmatch(path.name) is None:
                detail = f"wanted a name like 001A, found {path.name}"
                failures.append(Failure(name, "open", "unknown_subject", detail))
            else:
                sources.append(_source(root, path, labels.pop(path.name.upper(), None)))
        if not sources:
            raise ShardError(
                f"no GFT pictures under {root}: looked for {IMAGE_FOLDER}/001A/1.jpg and so on, found "
                f"{len(people)} other things in {IMAGE_FOLDER}"
            )
        for path in labels.values():
            name = path.relative_to(root).as_posix()
            if PERSON.fullmatch(path.stem):
                failures.append(Failure(name, "label", "no_video", f"labels of {path.stem}, no pictures"))
            else:
                failures.append(unknown_file(root, path))
        return Listing(sources, failures)


def _source(root: Path, folder: Path, labels: Path | None) -> Source:
    name = folder.relative_to(root).as_posix()
    plain = Source(name, folder, identity=folder.name.upper(), frame_rate=FRAME_RATE)
    if labels is None:
        detail = f"{LABEL_FOLDER}/{folder.name}.csv is not there"
        return replace(plain, failures=[Failure(name, "label", "missing_label_file", detail)])
    load = LoadOccurrence(labels.relative_to(root).as_posix(), labels, read_labels, AUS)
    return replace(plain, load_labels=load, label_files=[labels])
