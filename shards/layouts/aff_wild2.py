"""Aff-Wild2 (ABAW): cropped faces from found video, 30 a second; occurrence of 12 AUs.

    <root>/cropped_aligned/<video>/00001.jpg
    <root>/6th_ABAW_Annotations/AU_Detection_Challenge/Train_Set/<video>.txt      (any edition)
    <root>/annotations/AU_Set/Train_Set/<video>.txt      (editions of 2020 and 2021)

and Validation_Set next to Train_Set. The first line names the AUs; line i after it is picture i, and no
picture is there where no face was found. Anything but 0 and 1 is missing (-1 as a rule). Of two people in one
video, the folders end in `_left` and `_right`: two identities. Test videos have no labels.

A labelled video's id begins with its set (`Train_Set/<video>`), an unlabelled one's with `cropped_aligned/`.
"""

import re
from dataclasses import replace
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, unknown_file
from shards.layouts.tables import LAST_FRAME, ByFrame, LoadOccurrence, label, read_lines, unit_number
from shards.schema import Failure

AUS = [1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26]
FRAME_RATE = 30
FIRST_FRAME = 1
IMAGE_FOLDER = "cropped_aligned"
EDITION = re.compile(r"(\d+)\w\w_ABAW_Annotations")
ANNOTATIONS = "AU_Detection_Challenge"
EARLY_ANNOTATIONS = "annotations/AU_Set"
SETS = ("Train_Set", "Validation_Set")


def read_labels(path: Path) -> dict[int, ByFrame]:
    """Occurrence by AU and picture number, of those of `AUS` that the file has.

    Raises:
        ShardError: the first line names no AUs, or a line does not fit it.
    """
    lines = read_lines(path)
    header = next(lines, None)
    names = [unit_number(name) for name in header.cells] if header else []
    column_of = {au: names.index(au) for au in AUS if au in names}
    if header is None or header.number != 1 or not header.cells[0].upper().startswith("AU") or not column_of:
        raise ShardError(f"{path.name}: wanted the first line AU{',AU'.join(map(str, AUS))}")
    found: dict[int, ByFrame] = {au: {} for au in column_of}
    for line in lines:
        if line.number > LAST_FRAME:
            raise ShardError(f"{path.name}: more than {LAST_FRAME} lines")
        for au, column in column_of.items():
            # By the line's number: a blank line is a picture without labels, and shifts nothing.
            found[au][line.number - 2 + FIRST_FRAME] = label(line, column, 1)
    return found


class AffWild2Layout:
    name = "aff_wild2"
    occurrence_aus = AUS
    intensity_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    expressions: list[str] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        folder = root / IMAGE_FOLDER
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        videos = [path for path in found if path.is_dir()]
        if not videos:
            raise ShardError(
                f"no Aff-Wild2 crops under {root}: looked for {IMAGE_FOLDER}/<video>/00001.jpg and so on, "
                f"found {len(found)} other things in {IMAGE_FOLDER}"
            )
        failures = [unknown_file(root, path) for path in found if path.is_file()]
        labels, wrong = find_labels(root)
        sources = []
        for path in videos:
            group, file = labels.pop(path.name, (IMAGE_FOLDER, None))
            plain = Source(f"{group}/{path.name}", path, identity=path.name, frame_rate=FRAME_RATE)
            if file is not None:
                load = LoadOccurrence(file.relative_to(root).as_posix(), file, read_labels, AUS)
                plain = replace(plain, load_labels=load, label_files=[file])
            sources.append(plain)
        for name, (_, file) in labels.items():
            place = file.relative_to(root).as_posix()
            wrong.append(Failure(place, "label", "no_video", f"there is no {IMAGE_FOLDER}/{name}"))
        return Listing(sources, failures + wrong)


def find_labels(root: Path) -> tuple[dict[str, tuple[str, Path]], list[Failure]]:
    """The set and the label file of each labelled video, of the newest edition under `root`."""
    editions = {
        int(match[1]): path / ANNOTATIONS
        for path in root.iterdir()
        if (match := EDITION.fullmatch(path.name)) and (path / ANNOTATIONS).is_dir()
    }
    if (root / EARLY_ANNOTATIONS).is_dir():
        editions[0] = root / EARLY_ANNOTATIONS
    if not editions:
        detail = f"looked for 6th_ABAW_Annotations/{ANNOTATIONS} and {EARLY_ANNOTATIONS}; nothing is labelled"
        return {}, [Failure(ANNOTATIONS, "label", "missing_label_folder", detail)]
    newest = editions.pop(max(editions))
    failures = [
        Failure(path.relative_to(root).as_posix(), "label", "older_edition", f"{newest.parent.name} is used")
        for path in editions.values()
    ]
    found: dict[str, tuple[str, Path]] = {}
    for group in SETS:
        if not (newest / group).is_dir():
            place = (newest / group).relative_to(root).as_posix()
            failures.append(Failure(place, "label", "missing_label_folder", "it is not there"))
            continue
        for path in sorted((newest / group).iterdir()):
            if path.suffix != ".txt":
                failures.append(unknown_file(root, path))
            elif path.stem in found:
                detail = f"{path.stem} is in {found[path.stem][0]} too, and counts there"
                failures.append(Failure(path.relative_to(root).as_posix(), "label", "in_both_sets", detail))
            else:
                found[path.stem] = (group, path)
    return found, failures
