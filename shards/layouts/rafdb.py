"""RAF-DB, basic emotions: single pictures, each with one of seven expressions.

    <root>/basic/EmoLabel/list_patition_label.txt             lines `train_00001.jpg 5`
    <root>/basic/Image/aligned/train_00001_aligned.jpg        or, without these,
    <root>/basic/Image/original/train_00001.jpg

`<root>` may be the folder `basic` itself. A picture's name begins with its part, `train_` or `test_`.
"""

import re
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing
from shards.layouts.stills import Shown, find_pictures, join, read_stills
from shards.layouts.tables import Line, read_lines

EXPRESSIONS = {
    1: "surprise",
    2: "fear",
    3: "disgust",
    4: "happiness",
    5: "sadness",
    6: "anger",
    7: "neutral",
}
LIST_NAME = "EmoLabel/list_patition_label.txt"
IMAGE_FOLDERS = {"Image/aligned": "_aligned", "Image/original": ""}
"""What the pictures' names end in, by folder; the first folder that is there is used."""
KEY = re.compile(r"(?:train|test)_\d+")
LINE = re.compile(rf"({KEY.pattern})\.jpg\s+(\d+)")


def parse_line(line: Line) -> tuple[str, Shown]:
    """Name without suffix, and expression.

    Raises:
        ShardError: it is another kind of line, or names a class that does not exist.
    """
    text = ",".join(line.cells)
    match = LINE.fullmatch(text)
    if match is None:
        raise ShardError(f"wanted `train_00001.jpg 5`, found {text[:40]!r}")
    if int(match[2]) not in EXPRESSIONS:
        raise ShardError(
            f"class {match[2]} of {match[1]} is not one of {min(EXPRESSIONS)}-{max(EXPRESSIONS)}"
        )
    return match[1], EXPRESSIONS[int(match[2])]


class RafdbLayout:
    name = "rafdb"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions = list(EXPRESSIONS.values())  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        basic = root / "basic" if (root / "basic").is_dir() else root
        folders = [folder for folder in IMAGE_FOLDERS if (basic / folder).is_dir()]
        if not folders or not (basic / LIST_NAME).is_file():
            raise ShardError(
                f"no RAF-DB under {root}: looked for basic/{LIST_NAME} and for pictures in "
                f"{' or '.join(f'basic/{folder}' for folder in IMAGE_FOLDERS)}, found {folders or 'neither'}"
            )
        folder, ending = folders[0], IMAGE_FOLDERS[folders[0]]

        def key_of(path: Path) -> str | None:
            stem = path.stem.removesuffix(ending)
            return stem if KEY.fullmatch(stem) else None

        pictures, strays = find_pictures(root, basic / folder, key_of)
        if not pictures:
            raise ShardError(f"no pictures in {basic / folder}: looked for train_00001{ending}.jpg")
        list_name = (basic / LIST_NAME).relative_to(root).as_posix()
        listed = read_stills(list_name, read_lines(basic / LIST_NAME), parse_line)
        found = join(root, pictures, [listed], folder)
        return Listing(found.sources, strays + found.failures)
