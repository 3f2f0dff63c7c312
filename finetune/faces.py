"""The faces of a video as pieces of tracks, cropped and coded as packing does, in constant memory.

Axes: T frames of a piece, H W C pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pretrain.config import ConfigError
from shards.ahead import Bound, ahead, workers
from shards.errors import ShardError
from shards.pack.faces.crops import FaceCropper
from shards.pack.faces.plugins import get_aligner, get_detector
from shards.pack.frames.decode import read_frames
from shards.pack.job import PackConfig, recipe_of
from shards.pack.stopwatch import Stopwatch
from shards.schema import CropRecipe

PIECE_FRAMES = 32
PIECES_AHEAD = 2
"""That wait when one more is made."""


@dataclass
class FacePiece:
    """Consecutive frames of one face; the pieces of a face come in order."""

    face: int
    frame_number: list[int] = field(default_factory=list)
    """Frames of the video, from 0."""
    time_seconds: list[float] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    last: bool = False
    """The face is lost after this piece."""

    @property
    def frames_THWC(self) -> NDArray[np.uint8]:  # noqa: N802 (axes)
        return np.stack(self.frames)


@dataclass
class FramesSeen:
    """What was seen of a video so far."""

    count: int = 0
    """Frames."""
    troubles: list[str] = field(default_factory=list)
    """What was left out or corrected, and why."""

    def tell(self, stage: str, reason: str, detail: str) -> None:
        self.troubles.append(f"{stage}: {reason}: {detail}")


def refuse_other_recipe(recipe: CropRecipe) -> None:
    """Check that this program crops faces as the model's training data were cropped.

    Raises:
        ConfigError: naming each difference, or the detector or aligner that is not here.
    """
    config = PackConfig(
        source="",
        url="",
        layout="",
        size=recipe.size,
        detector=recipe.detector,
        crop=recipe.name,
        detect_every=recipe.detect_every,
    )
    try:
        ours = recipe_of(config, get_detector(recipe.detector))
    except ShardError as error:
        raise ConfigError(f"the model's faces cannot be cropped here: {error}") from error
    if ours.digest != recipe.digest:
        differing = [
            f"{name}: model {value!r}, here {getattr(ours, name)!r}"
            for name, value in vars(recipe).items()
            if getattr(ours, name) != value
        ]
        raise ConfigError(
            "the model was trained on faces cropped in another way, its output would mean nothing: "
            + "; ".join(differing)
            + "; use the release that packed its data"
        )


def face_pieces(path: Path, recipe: CropRecipe, seen: FramesSeen) -> Iterator[FacePiece]:
    """All faces of a video, `PIECE_FRAMES` frames at a time, while it is decoded once.

    Crops go through JPEG as in a shard set, so that a model sees the same pixels in training and use.

    Raises:
        VideoError: it is no video, or ends in damage; what came before was given.
        ShardError: the recipe's detector or aligner is not here; `refuse_other_recipe` tells before.
    """
    cv2.setNumThreads(1)
    cropper = FaceCropper(get_detector(recipe.detector), get_aligner(recipe.name), recipe.size, Stopwatch())
    open_pieces: dict[int, FacePiece] = {}
    for frame, faces in cropper.crops(read_frames(path, cropper.long_side, seen.tell), recipe.detect_every):
        seen.count += 1
        shown = {face.track for face in faces}
        for track in [track for track in open_pieces if track not in shown]:
            yield _closed(open_pieces.pop(track))
        for face in faces:
            piece = open_pieces.setdefault(face.track, FacePiece(face.track))
            if len(piece.frames) == PIECE_FRAMES:
                yield piece
                piece = open_pieces[face.track] = FacePiece(face.track)
            piece.frames.append(np.asarray(simplejpeg.decode_jpeg(face.jpeg), np.uint8))
            piece.frame_number.append(frame.index)
            piece.time_seconds.append(frame.time_seconds)
    for piece in open_pieces.values():
        yield _closed(piece)


def made_ahead(pieces: Iterator[FacePiece]) -> Iterator[FacePiece]:
    """The same pieces, in order, made in a thread of their own while a model computes."""
    with workers("faces", 1) as pool:
        begun = ahead(repeat(None), lambda _: [pool.submit(next, pieces, None)], Bound(PIECES_AHEAD))
        for _, [made] in begun:
            piece = made.result()
            if piece is None:
                return
            yield piece


def _closed(piece: FacePiece) -> FacePiece:
    piece.last = True
    return piece
