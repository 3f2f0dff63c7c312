"""Lists of labelled pictures of BP4D and DISFA, as ME-GraphAU, AUNCE, JAANet, ARL and AC2D have them.

    <root>/list/BP4D_test_img_path_fold1.txt       lines `F007/T1/643.jpg`; of DISFA `SN003/0.png`
    <root>/list/BP4D_test_label_fold1.txt          a line for each of those, `0 0 0 0 1 0 0 0 0 0 1 0`
    <root>/img/F007/T1/0643.jpg                    any width of the number

    <root>/list/BP4D_part1_path.txt                lines `BP4D/F001/T1/2440.jpg`; of DISFA `DISFA/SN002/0.jpg`
    <root>/list/BP4D_part1_AUoccur.txt
    <root>/imgs/BP4D/F001/T1/2440.jpg              (also <root>/data/list and <root>/dataset/BP4D)

All pairs are read and joined, as folds and combined parts say the same again. A label is 0 or 1, and 9 is
missing. A frame's number is its picture's; picture 0 of DISFA is what DISFA's own label files call frame 1.
Folds are not kept: fold 1 of the files above tests part 3, and fold 3 part 1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from shards.errors import ShardError
from shards.layouts import bp4d, bp4d_labels, disfa
from shards.layouts.layout import Labels, Listing, Source, is_image, unknown_file
from shards.layouts.tables import LAST_FRAME, as_matrix, try_to_read
from shards.schema import MISSING, Failure

LIST_FOLDERS = ("list", "data/list")
IMAGE_FOLDERS = ("img", "imgs/{}", "data/imgs/{}", "dataset/{}")
UNKNOWN = 9
PICTURE = re.compile(r"(?:\w+/)??([FM]\d{3}/T\d+|SN\d{3})/(\d+)\.\w+")
OTHER_LIST = re.compile(r"_(?:weight|AU_relation|biocular|\d*land)(?:_|\.)")
"""Files of these repositories that tell nothing about a picture's AUs."""

Rows = dict[int, tuple[int, ...]]
"""Labels by frame number, in the order of a list's columns."""
FindSequences = Callable[[Path, Path], tuple[dict[str, Path], list[Failure]]]
"""Takes the data set's folder and that of its pictures; gives folders by `F001/T1` or `SN001`."""


@dataclass
class Sequence:
    """What the lists say of one sequence."""

    rows: Rows = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)


@dataclass(frozen=True)
class Given:
    """Labels that were read with the lists."""

    labels: Labels

    def __call__(self) -> Labels:
        return self.labels


def label_list(path: Path) -> Path | None:
    """The label file of a list of pictures; None for other files."""
    if "_img_path" in path.name:
        return path.with_name(path.name.replace("_img_path", "_label"))
    if path.name.endswith("_path.txt"):
        return path.with_name(path.name.removesuffix("_path.txt") + "_AUoccur.txt")
    return None


def read_pair(pictures: Path, labels: Path, num_aus: int) -> dict[str, Rows]:
    """The labels of a list's pictures, by sequence.

    Raises:
        ShardError: a line is wrong, or the files have different numbers of lines.
    """
    names, texts = (_lines(path) for path in (pictures, labels))
    if len(names) != len(texts):
        raise ShardError(
            f"{labels.name} has {len(texts)} lines for the {len(names)} pictures of {pictures.name}; make "
            "both again, as some of the published label files hold a few lines only"
        )
    found: dict[str, Rows] = {}
    rows: dict[str, tuple[int, ...]] = {}
    for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1):
        match = PICTURE.fullmatch(name.strip())
        if match is None or int(match[2]) > LAST_FRAME:
            wanted = "F001/T1/643.jpg or SN001/0.png"
            raise ShardError(f"{pictures.name}, line {number}: wanted {wanted}, found {name[:40]!r}")
        if text not in rows:
            rows[text] = _parse_row(text, num_aus, f"{labels.name}, line {number}")
        found.setdefault(match[1], {})[int(match[2])] = rows[text]
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines()


def _parse_row(text: str, num_aus: int, place: str) -> tuple[int, ...]:
    try:
        values = [float(cell) for cell in text.split()]  # numpy writes 0.000e+00
    except ValueError:
        values = []
    if len(values) != num_aus or not set(values) <= {0, 1, UNKNOWN}:
        raise ShardError(f"{place}: wanted {num_aus} labels of 0, 1 or {UNKNOWN}, found {text[:40]!r}")
    return tuple(MISSING if value == UNKNOWN else int(value) for value in values)


def read_lists(
    root: Path, folder: Path, prefix: str, num_aus: int
) -> tuple[dict[str, Sequence], list[Failure]]:
    """All lists of `folder` whose names begin with `prefix`, joined on sequence and frame number."""
    sequences: dict[str, Sequence] = {}
    failures: list[Failure] = []
    files = sorted(folder.glob(f"{prefix}*.txt"))
    pairs = {path: labels for path in files if (labels := label_list(path))}
    for path in files:
        if path not in pairs and path not in pairs.values() and not OTHER_LIST.search(path.name):
            failures.append(unknown_file(root, path))
    for path, labels in pairs.items():
        name = labels.relative_to(root).as_posix()
        pair = try_to_read(partial(read_pair, path, num_aus=num_aus), labels, name, failures)
        differing = []
        for key, rows in (pair or {}).items():
            sequence = sequences.setdefault(key, Sequence())
            sequence.files |= {path, labels}
            for frame, row in rows.items():
                if sequence.rows.setdefault(frame, row) != row:
                    differing.append(f"{key}/{frame}")
        if differing:
            detail = f"{len(differing)} pictures have other labels in a list before this one, and those count"
            failures.append(
                Failure(name, "label", "labels_disagree", f"{detail}; the first is {differing[0]}")
            )
    return sequences, failures


class AuListsLayout:
    """The lists of one data set."""

    intensity_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    expressions: list[str] = []  # noqa: RUF012

    def __init__(self, prefix: str, aus: list[int], frame_rate: float, find: FindSequences) -> None:
        self.name = f"{prefix.lower()}_lists"
        self.occurrence_aus = aus
        self._prefix = prefix
        self._frame_rate = frame_rate
        self._find = find

    def list_sources(self, root: Path) -> Listing:
        places = [root / name.format(self._prefix) for name in IMAGE_FOLDERS]
        images = next((path for path in places if path.is_dir()), None)
        lists = next((root / name for name in LIST_FOLDERS if (root / name).is_dir()), None)
        found, failures = self._find(root, images) if images else ({}, [])
        if not found or lists is None:
            raise ShardError(
                f"no lists of {self._prefix} with their pictures under {root}: looked for "
                f"{' or '.join(LIST_FOLDERS)} and for people's folders in "
                f"{', '.join(path.relative_to(root).as_posix() for path in places)}, found "
                f"{[path.relative_to(root).as_posix() for path in (lists, images) if path]}"
            )
        listed, wrong = read_lists(root, lists, f"{self._prefix}_", len(self.occurrence_aus))
        sources = [self._source(root, path, key, listed.pop(key, None)) for key, path in found.items()]
        for key, sequence in listed.items():
            detail = f"{len(sequence.rows)} pictures of {key} are listed, and it is not there"
            failures.append(Failure(key, "label", "no_video", detail))
        return Listing(sources, failures + wrong)

    def _source(self, root: Path, path: Path, key: str, sequence: Sequence | None) -> Source:
        name, (subject, *task) = path.relative_to(root).as_posix(), key.split("/")
        activity = task[0] if task else None
        plain = Source(name, path, identity=subject, activity=activity, frame_rate=self._frame_rate)
        if sequence is None:
            failure = Failure(name, "label", "missing_label", "no list has a picture of it")
            return replace(plain, failures=[failure])
        there = {int(file.stem) for file in path.iterdir() if is_image(file) and file.stem.isdecimal()}
        failures = []
        if lacking := sequence.rows.keys() - there:
            detail = f"{len(lacking)} listed pictures are not there, the first is number {min(lacking)}"
            failures.append(Failure(name, "label", "no_picture", detail))
        load = Given(self._labels(sequence.rows))
        return replace(plain, load_labels=load, label_files=sorted(sequence.files), failures=failures)

    def _labels(self, rows: Rows) -> Labels:
        aus = self.occurrence_aus
        columns = {au: {frame: row[place] for frame, row in rows.items()} for place, au in enumerate(aus)}
        span = min(rows), max(rows)
        return Labels(span[0], as_matrix(columns, aus, span), None)


def _bp4d_sequences(root: Path, images: Path) -> tuple[dict[str, Path], list[Failure]]:
    found, failures = bp4d.find_sequences(root, [images], bp4d.SUBJECTS, tuple(bp4d.ACTIVITIES))
    return {sequence.replace("_", "/"): path for sequence, path in found.items()}, failures


def _disfa_sequences(root: Path, images: Path) -> tuple[dict[str, Path], list[Failure]]:
    found: dict[str, Path] = {}
    failures = []
    for path in sorted(images.iterdir()):
        if path.is_dir() and path.name in disfa.SUBJECTS:
            found[path.name] = path
        elif path.is_file():
            failures.append(unknown_file(root, path))
        else:
            name = path.relative_to(root).as_posix()
            failures.append(Failure(name, "open", "unknown_subject", f"DISFA has no {path.name}"))
    return found, failures


BP4D_LISTS = AuListsLayout("BP4D", bp4d_labels.AUS, bp4d.FRAME_RATE, _bp4d_sequences)
DISFA_LISTS = AuListsLayout("DISFA", disfa.LISTED_AUS, disfa.FRAME_RATE, _disfa_sequences)
"""Eight of DISFA's AUs, present from intensity 2 on."""
