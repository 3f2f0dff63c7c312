"""Label files of BP4D and BP4D+: occurrence per sequence, intensity per sequence and AU.

Occurrence has a header. BP4D's own files have 100 columns, column N for AU N, and the last one tells frames
with a covered face; later files name their columns in fewer than 50. Column 0 is the frame in both.
Intensity has none: lines `frame,intensity`. Anything outside 0-1 and 0-5 is missing (the files use 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Labels
from shards.layouts.tables import (
    ByFrame,
    Line,
    as_matrix,
    first_and_last,
    frame_number,
    label,
    missing_columns,
    put_once,
    read_frame_values,
    read_lines,
    try_to_read,
    unit_number,
)
from shards.schema import MISSING, Failure

AUS = [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]
INTENSITY_AUS = [6, 10, 12, 14, 17]
HIGHEST = 5
LEGACY_COLUMNS = 100
POSITIONAL_FROM = 50
"""A header of this many columns or more is read by position."""


def read_occurrence(path: Path) -> dict[int, ByFrame]:
    """Occurrence by AU and frame number, of those of `AUS` that the file has.

    Raises:
        ShardError: the header is none of the two kinds, or a line does not fit it.
    """
    lines = read_lines(path)
    header = next(lines, None)
    if header is None:
        raise ShardError(f"{path.name}: wanted a header and a line per frame, the file is empty")
    column_of, covered_column = _columns(header)
    found: dict[int, ByFrame] = {au: {} for au in column_of}
    for line in lines:
        frame = frame_number(line)
        covered = covered_column is not None and label(line, covered_column, 1) == 1
        for au, column in column_of.items():
            value = label(line, column, 1)
            put_once(found[au], frame, MISSING if covered else value, line)
    return found


def _columns(header: Line) -> tuple[dict[int, int], int | None]:
    """The column of each AU, and the column that tells a covered face where there is one."""
    names = [unit_number(name) for name in header.cells]
    if len(names) >= POSITIONAL_FROM:
        if names[1:] != list(range(1, len(names))):
            raise ShardError(
                f"{header.place}: wanted the header 0,1,2,...,{LEGACY_COLUMNS - 1}, found "
                f"{','.join(header.cells[:6])},... in {len(names)} columns"
            )
        return {au: au for au in AUS}, len(names) - 1
    # Column 0 is the frame even where its name is "1", as in some files.
    column_of = {au: names.index(au, 1) for au in AUS if au in names[1:]}
    if not column_of:
        raise ShardError(
            f"{header.place}: wanted a header that names AUs, found {','.join(header.cells)[:60]!r}"
        )
    return column_of, None


@dataclass(frozen=True)
class LabelFiles:
    """Where the files of one sequence are; names are relative to the data set's folder."""

    occurrence: tuple[str, Path] | None = None
    intensity: dict[int, tuple[str, Path]] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        files = [self.occurrence] if self.occurrence else []
        return [path for _, path in [*files, *self.intensity.values()]]


@dataclass(frozen=True)
class LoadLabels:
    """Reads one sequence's files and joins them on the frame number."""

    files: LabelFiles
    same_frames: bool
    """Whether intensity must have the frames of occurrence, as BP4D+ promises."""

    def __call__(self) -> Labels | None:
        failures: list[Failure] = []
        occurrence: dict[int, ByFrame] = {}
        if self.files.occurrence is not None:
            name, path = self.files.occurrence
            occurrence = try_to_read(read_occurrence, path, name, failures) or {}
            failures += missing_columns(name, occurrence, AUS)
        intensity: dict[int, ByFrame] = {}
        for au, (name, path) in self.files.intensity.items():
            frames = try_to_read(lambda path: read_frame_values(path, HIGHEST), path, name, failures)
            if frames is not None and self._agrees(frames, occurrence, name, failures):
                intensity[au] = frames
        span = first_and_last([*occurrence.values(), *intensity.values()])
        if span is None:
            return Labels(0, None, None, failures) if failures else None
        return Labels(
            span[0],
            as_matrix(occurrence, AUS, span) if occurrence else None,
            as_matrix(intensity, INTENSITY_AUS, span) if intensity else None,
            failures,
        )

    def _agrees(
        self, frames: ByFrame, occurrence: dict[int, ByFrame], name: str, failures: list[Failure]
    ) -> bool:
        coded = next(iter(occurrence.values()), None)
        if not self.same_frames or coded is None or coded.keys() == frames.keys():
            return True
        differing = sorted(coded.keys() ^ frames.keys())
        detail = f"{len(differing)} frames are not in both this file and AU_OCC, the first is {differing[0]}"
        failures.append(Failure(name, "label", "frames_disagree", detail))
        return False


def find_label_files(
    root: Path, occurrence_folders: Sequence[str], intensity_folders: Sequence[str]
) -> dict[str, LabelFiles]:
    """Label files by sequence, `F001_T1` and so on; the first folder that has one wins."""
    occurrence: dict[str, tuple[str, Path]] = {}
    for folder in occurrence_folders:
        for path in sorted((root / folder).glob("*.csv")):
            occurrence.setdefault(path.stem, (path.relative_to(root).as_posix(), path))
    intensity: dict[str, dict[int, tuple[str, Path]]] = {}
    for folder in intensity_folders:
        for au in INTENSITY_AUS:
            for path in sorted((root / folder / f"AU{au:02d}").glob("*.csv")):
                sequence = "_".join(path.stem.split("_")[:2])
                name = path.relative_to(root).as_posix()
                intensity.setdefault(sequence, {}).setdefault(au, (name, path))
    return {
        sequence: LabelFiles(occurrence.get(sequence), intensity.get(sequence, {}))
        for sequence in sorted(occurrence.keys() | intensity.keys())
    }


def missing_files(sequence: str, files: LabelFiles, name: str, with_intensity: bool) -> list[Failure]:
    """Ledger lines of the files that the sequence lacks; `name` is the source's."""
    lacking = [] if files.occurrence else [f"AU_OCC/{sequence}.csv"]
    if with_intensity:
        absent = [au for au in INTENSITY_AUS if au not in files.intensity]
        lacking += [f"AU{au:02d}/{sequence}_AU{au:02d}.csv" for au in absent]
    return [Failure(name, "label", "missing_label_file", f"{file} is not there") for file in lacking]
