"""AffectNet: pictures from the web, each with one of eight expressions or none of them.

As it is given out now, a picture with four small files; only the expression is read of them:

    <root>/train_set/images/0.jpg             and val_set
    <root>/train_set/annotations/0_exp.npy    the class, 0 to 7, as text or as a number

As it was first, with lists:

    <root>/Manually_Annotated_file_lists/training.csv          and validation.csv
    <root>/Manually_Annotated_Images/<number>/<name>.jpg
    <root>/Automatically_Annotated_file_lists/automatically_annotated.csv
    <root>/Automatically_Annotated_Images/<number>/<name>.jpg

Lists and folders of pictures may lie in `<root>` itself or in any folder of it. A line is the picture's path,
the face's box, its landmarks, class, valence and arousal. Beside the eight expressions there are the classes
None (another expression), Uncertain and No-Face. The automatic classes are a network's: those pictures are
packed without an expression.

A picture's identity begins with its part: `train_set`, `val_set`, or the name of the list that it is in.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source
from shards.layouts.stills import Shown, StillList, Unclear, find_pictures, join, read_stills
from shards.layouts.tables import NUMBER, Line, read_lines
from shards.schema import Failure

EXPRESSIONS = {
    0: "neutral",
    1: "happiness",
    2: "sadness",
    3: "surprise",
    4: "fear",
    5: "disgust",
    6: "anger",
    7: "contempt",
}
WITHOUT_EXPRESSION = {
    8: Unclear("other_expression", "class 8, None"),
    9: Unclear("uncertain_expression", "class 9, Uncertain"),
    10: Unclear("not_a_face", "class 10, No-Face", no_face=True),
}
COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
"""Of a list, in the order of a file without a header."""
MANUAL_FOLDER, AUTOMATIC_FOLDER = "Manually_Annotated_Images", "Automatically_Annotated_Images"
LISTS_OF = {
    MANUAL_FOLDER: ("training.csv", "validation.csv"),
    AUTOMATIC_FOLDER: ("automatically_annotated.csv",),
}
"""Lists by the folder of their pictures."""
SETS = ("train_set", "val_set")
AUTOMATIC = Unclear("automatic_label", "a network gave its class")


def meaning(number: int) -> Shown:
    """What a class number says.

    Raises:
        ShardError: there is no such class.
    """
    shown = EXPRESSIONS.get(number) or WITHOUT_EXPRESSION.get(number)
    if shown is None:
        raise ShardError(f"class {number} is not one of 0-{max(WITHOUT_EXPRESSION)}")
    return shown


def read_list(path: Path, name: str, folder: str) -> StillList:
    """What a list says, by `folder` and the path that it gives; `name` is the list's, for the ledger.

    Raises:
        ShardError: the columns cannot be told.
    """
    first = next(read_lines(path), None)
    if first is None:
        raise ShardError(f"{name}: wanted a line per picture, the file is empty")
    named = COLUMNS[0].lower() in [cell.lower() for cell in first.cells]
    columns = [cell.lower() for cell in (first.cells if named else COLUMNS)]
    if "expression" not in columns or (not named and len(first.cells) != len(COLUMNS)):
        raise ShardError(
            f"{name}: wanted the {len(COLUMNS)} columns {', '.join(COLUMNS)}, found "
            f"{','.join(first.cells)[:60]!r} in {len(first.cells)} columns"
        )
    key_column, class_column = columns.index(COLUMNS[0].lower()), columns.index("expression")

    def parse(line: Line) -> tuple[str, Shown]:
        if len(line.cells) != len(first.cells):
            raise ShardError(f"wanted {len(first.cells)} columns, found {len(line.cells)}")
        match = NUMBER.fullmatch(line.cells[class_column])
        if match is None:
            raise ShardError(f"wanted a class, found {line.cells[class_column][:40]!r}")
        shown = meaning(int(match[1]))
        automatic = folder == AUTOMATIC_FOLDER and isinstance(shown, str)
        return f"{folder}/{line.cells[key_column]}", AUTOMATIC if automatic else shown

    return read_stills(name, (line for line in read_lines(path) if not (named and line.number == 1)), parse)


def read_class(path: Path) -> Shown:
    """What a file `0_exp.npy` says.

    Raises:
        ShardError: it holds no class.
    """
    try:
        with path.open("rb") as file:
            number = float(np.lib.format.read_array(file, allow_pickle=False).item())
    except (ValueError, TypeError, OSError) as error:
        what = getattr(error, "strerror", None) or error
        raise ShardError(f"{path.name}: wanted one class, found none: {what}") from error
    if not number.is_integer():
        raise ShardError(f"{path.name}: wanted one class, found {number}")
    return meaning(int(number))


class AffectnetLayout:
    name = "affectnet"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions = list(EXPRESSIONS.values())  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        parts = [
            *(_with_files(root, group) for group in SETS if (root / group / "images").is_dir()),
            *(_with_lists(root, folder, names) for folder, names in LISTS_OF.items()),
        ]
        sources = [source for part in parts for source in part.sources]
        if not sources:
            raise ShardError(
                f"no AffectNet under {root}: looked for pictures in {SETS[0]}/images, {MANUAL_FOLDER} and "
                f"{AUTOMATIC_FOLDER}, found {sorted(path.name for path in root.iterdir())[:5]}"
            )
        return Listing(sources, [failure for part in parts for failure in part.failures])


def _with_files(root: Path, group: str) -> Listing:
    """A part with a file per picture; the other files beside `_exp` tell nothing that is kept."""
    pictures, strays = find_pictures(root, root / group / "images", lambda path: f"{group}/{path.stem}")
    listed = StillList(f"{group}/annotations", {})
    for path in sorted((root / group / "annotations").glob("*_exp.npy")):
        try:
            listed.shown[f"{group}/{path.stem.removesuffix('_exp')}"] = read_class(path)
        except ShardError as error:
            name = path.relative_to(root).as_posix()
            listed.failures.append(Failure(name, "label", "bad_labels", str(error)))
    found = join(root, pictures, [listed], f"{group}/images")
    return Listing(found.sources, strays + found.failures)


def _with_lists(root: Path, folder_name: str, list_names: tuple[str, ...]) -> Listing:
    """A part with lists, `root` or a folder of it having the lists and the pictures."""
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    files = [place / name for name in list_names for place in places if (place / name).is_file()]
    folder = next((place / folder_name for place in places if (place / folder_name).is_dir()), None)
    names = {path: path.relative_to(root).as_posix() for path in files}
    if folder is None:
        detail = f"there is no folder {folder_name}"
        return Listing([], [Failure(name, "label", "no_picture", detail) for name in names.values()])
    pictures, strays = find_pictures(
        root, folder, lambda path: f"{folder_name}/{path.relative_to(folder).as_posix()}"
    )
    lists = [read_list(path, name, folder_name) for path, name in names.items()]
    lacking = [name for name in list_names if name not in {path.name for path in files}]
    strays += [Failure(name, "label", "missing_label_file", f"of {folder_name}") for name in lacking]
    found = join(root, pictures, lists, folder_name)
    # Of the same key in two lists, the first counts.
    part_of = {key: Path(listed.name).stem for listed in reversed(lists) for key in listed.shown}
    sources = [_of_part(source, part_of.get(str(source.identity))) for source in found.sources]
    return Listing(sources, strays + found.failures)


def _of_part(source: Source, part: str | None) -> Source:
    """The picture of a list, known by the list's name and the path in it; an unlisted one stays as it is."""
    if part is None:
        return source
    return replace(source, identity=f"{part}/{str(source.identity).split('/', 1)[1]}")
