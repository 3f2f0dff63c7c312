"""FER+: the pictures of FER2013, 48 x 48 grey, each with ten people's votes for one of eight expressions.

    <root>/fer2013new.csv                     of FER+: part, name, votes for 8 expressions, `unknown` and `NF`
    <root>/FER2013Train/fer0000000.png        and FER2013Valid, FER2013Test; also below <root>/data

FER2013 itself has no pictures but numbers in fer2013.csv: `shards.layouts.fer2013` makes pictures of them.

An expression is what most votes say, by the majority rule of FER+ (Barsoum et al., 2016, arXiv:1608.01041): a
single vote is taken for a slip and does not count, and more than half of the counted votes must agree.
Otherwise the picture has no expression. `NF` is not a face.
"""

from collections.abc import Sequence
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing
from shards.layouts.stills import Shown, StillList, Unclear, find_pictures, join, read_stills
from shards.layouts.tables import NUMBER, Line, read_lines
from shards.schema import Failure

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
UNKNOWN, NOT_A_FACE = "unknown", "NF"
CHOICES = (*EXPRESSIONS, UNKNOWN, NOT_A_FACE)
"""What people could vote for, in the order of the columns."""
LIST_NAME = "fer2013new.csv"
PIXELS_NAME = "fer2013.csv"
PART, NAME = "Usage", "Image name"
FOLDER_OF = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
"""Folder by part, as FER+'s own tool names them."""
COPY_OF_VOTES = "label.csv"
"""What that tool writes beside the pictures; it says the same as the list."""


def majority(votes: Sequence[int]) -> Shown:
    """The expression that most of the counted votes name; `votes` are in the order of `CHOICES`."""
    counted = [number if number > 1 else 0 for number in votes]
    most = max(counted)
    said = ", ".join(
        f"{number} {choice}" for choice, number in zip(CHOICES, votes, strict=True) if number > 0
    )
    if 2 * most <= sum(counted):
        return Unclear("no_majority", f"votes: {said or 'none'}")
    choice = CHOICES[counted.index(most)]
    if choice == NOT_A_FACE:
        return Unclear("not_a_face", f"votes: {said}", no_face=True)
    return Unclear("uncertain_expression", f"votes: {said}") if choice == UNKNOWN else choice


def columns_of(header: Line | None, wanted: Sequence[str], name: str) -> list[int]:
    """Where these columns stand, by their names.

    Raises:
        ShardError: one is missing.
    """
    found = [cell.lower() for cell in header.cells] if header else []
    lacking = [column for column in wanted if column.lower() not in found]
    if lacking:
        shown = ",".join(header.cells)[:60] if header else ""
        raise ShardError(f"{name}: wanted the columns {', '.join(wanted)} in its first line, found {shown!r}")
    return [found.index(column.lower()) for column in wanted]


def folder_of(part: str) -> str:
    """The folder of a part's pictures.

    Raises:
        ShardError: there is no such part.
    """
    if part not in FOLDER_OF:
        raise ShardError(f"wanted {' or '.join(FOLDER_OF)}, found {part[:40]!r}")
    return FOLDER_OF[part]


def read_votes(path: Path) -> StillList:
    """What the list says, by folder and name (`FER2013Train/fer0000000.png`).

    Raises:
        ShardError: the first line does not name the columns.
    """
    lines = read_lines(path)
    columns = columns_of(next(lines, None), (PART, NAME, *CHOICES), path.name)

    def parse(line: Line) -> tuple[str, Shown]:
        if len(line.cells) <= max(columns):
            raise ShardError(f"wanted {max(columns) + 1} columns, found {len(line.cells)}")
        part, name, *cells = (line.cells[column] for column in columns)
        matches = [NUMBER.fullmatch(cell) for cell in cells]
        votes = [int(match[1]) for match in matches if match]
        if len(votes) < len(cells) or min(votes) < 0:
            raise ShardError(f"wanted {len(CHOICES)} numbers of votes, found {','.join(cells)[:40]!r}")
        folder = folder_of(part)
        if not name:
            raise ShardError(f"it has no picture's name; {votes[-1]} of {sum(votes)} votes say {NOT_A_FACE}")
        return f"{folder}/{name}", majority(votes)

    return read_stills(path.name, lines, parse)


class FerplusLayout:
    name = "ferplus"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions = list(EXPRESSIONS)  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        places = [root / name for name in FOLDER_OF.values() if (root / name).is_dir()]
        folders = places or [path for name in FOLDER_OF.values() if (path := root / "data" / name).is_dir()]
        if not (root / LIST_NAME).is_file() or not folders:
            there = [name for name in (LIST_NAME, PIXELS_NAME) if (root / name).is_file()]
            hint = f"; python -m shards.layouts.fer2013 {root} makes the pictures" if len(there) == 2 else ""
            raise ShardError(
                f"no FER+ under {root}: looked for {LIST_NAME} and for pictures in "
                f"{', '.join(FOLDER_OF.values())}, found {', '.join(there) or 'neither'}{hint}"
            )
        pictures: dict[str, Path] = {}
        strays: list[Failure] = []
        for folder in folders:
            found, others = find_pictures(root, folder, lambda path: f"{path.parent.name}/{path.name}")
            pictures |= found
            strays += [failure for failure in others if not failure.source.endswith(f"/{COPY_OF_VOTES}")]
        listed = read_votes(root / LIST_NAME)
        joined = join(root, pictures, [listed], " or ".join(FOLDER_OF.values()))
        return Listing(joined.sources, strays + joined.failures)
