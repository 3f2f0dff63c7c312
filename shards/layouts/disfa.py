"""DISFA: 27 people, one video each, intensities 0-5 of 12 AUs in every frame.

    <root>/Videos_LeftCamera/LeftVideoSN001_comp.avi       (the folder is also seen as Video_LeftCamera)
    <root>/ActionUnit_Labels/SN001/SN001_au1.txt           lines `frame,intensity`, frames counted from 1

An AU is present where its intensity is 2 or more.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.layout import Labels, Listing, Source, is_video, unknown_file
from shards.layouts.tables import LAST_FRAME, ByFrame, as_matrix, first_and_last, try_to_read
from shards.schema import MISSING, Failure

AUS = [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26]
LISTED_AUS = [1, 2, 4, 6, 9, 12, 25, 26]
"""The AUs of the detection protocol, in the order of list files."""
SUBJECTS = frozenset(f"SN{number:03d}" for number in (*range(1, 14), 16, 17, 18, 21, *range(23, 33)))
PARTS = tuple(
    tuple(names.split())
    for names in (
        "SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032",
        "SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031",
        "SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029",
    )
)
"""As the lists of JAANet, ME-GraphAU and LibreFace have them."""
FRAME_RATE = 20
"""Of the videos; pictures taken out of them have no clock of their own."""
VIDEO_FOLDERS = ("Videos_LeftCamera", "Video_LeftCamera")
LABEL_FOLDER = "ActionUnit_Labels"
VIDEO_NAME = re.compile(r"LeftVideo(SN\d{3})_comp", re.IGNORECASE)
PRESENT_FROM = 2
HIGHEST = 5
FIRST_FRAME = 1


def read_intensities(path: Path) -> dict[int, int]:
    """One AU's label file: intensity by frame number.

    Raises:
        ShardError: a line is not `frame,intensity`, an intensity is outside 0-5, a frame comes twice.
    """
    found: dict[int, int] = {}
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        match = re.fullmatch(r"\s*(\d+)\s*,\s*(-?\d+)\s*", line)
        if match is None:
            raise ShardError(f"{place}: wanted `frame,intensity`, found {line[:40]!r}")
        frame, intensity = int(match[1]), int(match[2])
        if not 0 <= intensity <= HIGHEST:
            raise ShardError(f"{place}: intensity {intensity} is outside 0-{HIGHEST}")
        if frame > LAST_FRAME:
            raise ShardError(f"{place}: frame {frame} is above {LAST_FRAME}")
        if frame < FIRST_FRAME or frame in found:
            raise ShardError(f"{place}: frame {frame} is below 1 or comes twice")
        found[frame] = intensity
    return found


def occurrence(intensity_FA: NDArray[np.int8]) -> NDArray[np.int8]:
    """Present (1) from intensity 2 on, absent (0) below, missing where the intensity is."""
    return np.where(intensity_FA == MISSING, MISSING, intensity_FA >= PRESENT_FROM).astype(np.int8)


@dataclass(frozen=True)
class LoadLabels:
    """Reads one person's label files; AU columns stand in the order of `AUS`, not of the files."""

    files: dict[int, tuple[str, Path]]
    """By AU; names are relative to the data set's folder."""

    def __call__(self) -> Labels | None:
        failures: list[Failure] = []
        by_au: dict[int, ByFrame] = {}
        for au, (name, path) in self.files.items():
            by_au[au] = try_to_read(read_intensities, path, name, failures) or {}
        span = first_and_last(by_au.values())
        if span is None:
            return Labels(FIRST_FRAME, None, None, failures) if failures else None
        intensity_FA = as_matrix(by_au, AUS, span)
        return Labels(span[0], occurrence(intensity_FA), intensity_FA, failures)


class DisfaLayout:
    name = "disfa"
    occurrence_aus = AUS
    intensity_aus = AUS
    expressions: list[str] = []  # noqa: RUF012 (as the protocol has it)

    def list_sources(self, root: Path) -> Listing:
        folders = [root / name for name in VIDEO_FOLDERS if (root / name).is_dir()]
        files = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
        sources, failures = [], []
        for path in files:
            match = VIDEO_NAME.fullmatch(path.stem) if is_video(path) else None
            if match is None:
                failures.append(unknown_file(root, path))
            elif match[1].upper() not in SUBJECTS:
                name = path.relative_to(root).as_posix()
                failures.append(Failure(name, "open", "unknown_subject", f"DISFA has no {match[1]}"))
            else:
                sources.append(_source(root, path, match[1].upper()))
        if not sources:
            raise ShardError(
                f"no DISFA videos under {root}: looked for {' or '.join(VIDEO_FOLDERS)}/"
                f"LeftVideoSN001_comp.avi and so on, found {[folder.name for folder in folders]} "
                f"with {len(files)} files"
            )
        labelled = {source.identity for source in sources}
        failures += [
            Failure(
                path.relative_to(root).as_posix(), "label", "no_video", f"labels of {path.name}, no video"
            )
            for path in sorted((root / LABEL_FOLDER).glob("SN*"))
            if path.is_dir() and path.name not in labelled
        ]
        return Listing(sources, failures)


def _source(root: Path, path: Path, subject: str) -> Source:
    names = {au: f"{LABEL_FOLDER}/{subject}/{subject}_au{au}.txt" for au in AUS}
    present = {au: (name, root / name) for au, name in names.items() if (root / name).is_file()}
    missing = [name for au, name in names.items() if au not in present]
    return Source(
        video_id=path.relative_to(root).as_posix(),
        path=path,
        identity=subject,
        first_frame=FIRST_FRAME,
        load_labels=LoadLabels(present),
        label_files=[file for _, file in present.values()],
        failures=[Failure(name, "label", "missing_label_file", f"of {path.name}") for name in missing],
    )
