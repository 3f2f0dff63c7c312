"""RAF-DB, basic emotions: single pictures, each with one of seven expressions.

    <root>/basic/EmoLabel/list_patition_label.txt             lines `train_00001.jpg 5`
    <root>/basic/Image/aligned/train_00001_aligned.jpg        or, without these,
    <root>/basic/Image/original/train_00001.jpg

`<root>` may be the folder `basic` itself. Nobody is named: each picture is a person of its own. A picture's
name begins with its part, `train_` or `test_`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, is_image, unknown_file
from shards.schema import Failure

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
LINE = re.compile(r"((?:train|test)_\d+)\.jpg\s+(\d+)")


@dataclass(frozen=True)
class ExpressionList:
    """The list of labels: class by picture name without suffix, and the lines that are none."""

    classes: dict[str, int]
    failures: list[Failure]


def read_list(path: Path, name: str) -> ExpressionList:
    """Read the list; a wrong line costs that line only and is named. `name` is the file's, for the ledger."""
    classes: dict[str, int] = {}
    failures = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            detail = f"line {number}: wanted `train_00001.jpg 5`, found {line[:40]!r}"
        elif int(match[2]) not in EXPRESSIONS:
            detail = f"line {number}: class {match[2]} of {match[1]} is not one of {min(EXPRESSIONS)}-7"
        elif match[1] in classes:
            detail = f"line {number}: {match[1]} comes twice"
        else:
            classes[match[1]] = int(match[2])
            continue
        failures.append(Failure(name, "label", "bad_labels", detail))
    return ExpressionList(classes, failures)


class RafdbLayout:
    name = "rafdb"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        basic = root / "basic" if (root / "basic").is_dir() else root
        folders = [folder for folder in IMAGE_FOLDERS if (basic / folder).is_dir()]
        if not folders or not (basic / LIST_NAME).is_file():
            raise ShardError(
                f"no RAF-DB under {root}: looked for basic/{LIST_NAME} and for pictures in "
                f"{' or '.join(f'basic/{folder}' for folder in IMAGE_FOLDERS)}, found {folders or 'neither'}"
            )
        list_name = (basic / LIST_NAME).relative_to(root).as_posix()
        labels = read_list(basic / LIST_NAME, list_name)
        classes, failures = dict(labels.classes), list(labels.failures)
        sources = []
        for path in sorted((basic / folders[0]).iterdir()):
            stem = path.stem.removesuffix(IMAGE_FOLDERS[folders[0]])
            if not is_image(path) or not LINE.fullmatch(f"{stem}.jpg 1"):
                failures.append(unknown_file(root, path))
            else:
                sources.append(_source(root, path, stem, classes.pop(stem, None)))
        if not sources:
            raise ShardError(
                f"no pictures in {basic / folders[0]}: looked for train_00001{IMAGE_FOLDERS[folders[0]]}.jpg"
            )
        failures += [
            Failure(list_name, "label", "no_picture", f"{stem} is listed, and not in {folders[0]}")
            for stem in classes
        ]
        return Listing(sources, failures)


def _source(root: Path, path: Path, stem: str, number: int | None) -> Source:
    name = path.relative_to(root).as_posix()
    lacking = Failure(name, "label", "missing_label", f"{stem}.jpg has no usable line in {LIST_NAME}")
    return Source(
        video_id=name,
        path=path,
        identity=stem,
        shortest_track=1,
        expression=None if number is None else EXPRESSIONS[number],
        failures=[lacking] if number is None else [],
    )
