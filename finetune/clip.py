"""Registered models' output for one video, read from their CSV files, with crops of the frames to show.

Axes: T rows in time order.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from finetune.faces import FramesSeen, face_pieces
from pretrain.config import ConfigError
from shards.pack.faces.encode import encode
from shards.schema import CropRecipe

FILM_FRAMES = 7
COLUMN = re.compile(r"AU(\d+)_(probability|intensity_0_5)")


@dataclass(frozen=True)
class AuTrack:
    """One AU of one face over time."""

    au: int
    kind: str
    """`probability` or `intensity_0_5`."""
    frame_T: list[int]
    time_seconds_T: list[float]
    value_T: list[float]

    @property
    def peak(self) -> int:
        """Place in the track of the greatest value, the first of equals."""
        return int(np.argmax(self.value_T))

    @property
    def swing(self) -> float:
        """Greatest minus least value."""
        return float(max(self.value_T) - min(self.value_T))


@dataclass(frozen=True)
class ClipResult:
    """What the models made of a video."""

    name: str
    frames: int
    """Of the video; 0 where no frame was decoded."""
    faces: int
    frames_with_face: int
    """Frames of the face that is shown: the one that is there longest."""
    tracks: list[AuTrack]
    film: list[tuple[int, float]]
    """Frame number and time of some frames with the face, evenly spread."""
    crops: dict[int, bytes]
    """JPEG files as the model sees them, by frame number."""


def read_clip(video: Path, csv_files: Sequence[Path], recipe: CropRecipe, shown: int) -> ClipResult:
    """Read the models' tables and cut out the frames at each shown AU's peak.

    Args:
        video: the file that was predicted.
        csv_files: what `finetune.predict` wrote for it, one per model.
        recipe: how the models want faces cropped.
        shown: how many AUs of each model are shown, those with the greatest swing.

    Raises:
        ConfigError: a table is not one of `finetune.predict`.
        VideoError: the video cannot be read.
    """
    tables = [_table(path) for path in csv_files]
    seen, faces, with_face = FramesSeen(), 0, 0
    tracks: list[AuTrack] = []
    film: list[tuple[int, float]] = []
    for table in tables:
        faces = max(faces, int(table["face"].nunique()))
        if table.empty:
            continue
        face = int(table["face"].value_counts().sort_index().idxmax())
        own = table[table["face"] == face]
        with_face = max(with_face, len(own))
        film = _film(own)
        moving = sorted(_tracks(own), key=lambda track: (-track.swing, track.au))
        tracks += sorted(moving[:shown], key=lambda track: track.au)
    wanted = {track.frame_T[track.peak] for track in tracks} | {frame for frame, _ in film}
    crops = _crops(video, recipe, wanted, seen)
    return ClipResult(video.name, seen.count, faces, with_face, tracks, film, crops)


def _table(path: Path) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(path)
    if not {"face", "frame_number", "time_seconds"} <= set(table.columns):
        raise ConfigError(f"{path} is no table of finetune.predict: face, frame_number, time_seconds wanted")
    return table


def _film(table: pd.DataFrame) -> list[tuple[int, float]]:
    places = np.linspace(0, len(table) - 1, min(FILM_FRAMES, len(table))).round().astype(int)
    chosen = table.iloc[places]
    return [(int(f), float(t)) for f, t in zip(chosen["frame_number"], chosen["time_seconds"], strict=True)]


def _tracks(table: pd.DataFrame) -> Iterable[AuTrack]:
    for column in table.columns:
        if (found := COLUMN.fullmatch(str(column))) is not None:
            yield AuTrack(
                au=int(found[1]),
                kind=found[2],
                frame_T=[int(frame) for frame in table["frame_number"]],
                time_seconds_T=[float(time) for time in table["time_seconds"]],
                value_T=[float(value) for value in table[column]],
            )


def _crops(video: Path, recipe: CropRecipe, wanted: set[int], seen: FramesSeen) -> dict[int, bytes]:
    """Crops of the longest face; of a frame with several faces the one whose track is longest."""
    lengths: dict[int, int] = {}
    found: dict[tuple[int, int], bytes] = {}
    for piece in face_pieces(video, recipe, seen):
        lengths[piece.face] = lengths.get(piece.face, 0) + len(piece.frames)
        for frame, pixels_HWC in zip(piece.frame_number, piece.frames, strict=True):
            if frame in wanted:
                found[piece.face, frame] = encode(pixels_HWC)
    if not lengths:
        return {}
    longest = min(lengths, key=lambda face: (-lengths[face], face))
    return {frame: jpeg for (face, frame), jpeg in found.items() if face == longest}
