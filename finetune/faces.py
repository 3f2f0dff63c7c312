"""The faces of a video as pieces of tracks, cropped and coded as packing does, in constant memory.

Axes: T frames of a piece, H W C pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pretrain.config import ConfigError
from shards.pack.align import crop
from shards.pack.decode import DecodedFrame, read_frames
from shards.pack.detect import YuNet
from shards.pack.encode import encode
from shards.pack.job import PackConfig, recipe_of
from shards.pack.track import Follower
from shards.schema import CropRecipe

PIECE_FRAMES = 32


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
    """How many frames of a video were decoded so far."""

    count: int = 0


def refuse_other_recipe(recipe: CropRecipe) -> None:
    """Check that this program crops faces as the model's training data were cropped.

    Raises:
        ConfigError: naming each difference.
    """
    ours = recipe_of(
        PackConfig(Path(), url="", layout="", size=recipe.size, detect_every=recipe.detect_every), YuNet()
    )
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
    """
    cv2.setNumThreads(1)
    detector = YuNet()
    follower: Follower[DecodedFrame] = Follower(detector, recipe.detect_every)
    open_pieces: dict[int, FacePiece] = {}
    for frame, sightings in follower.follow(read_frames(path, detector.long_side)):
        seen.count += 1
        shown = {sighting.track for sighting in sightings}
        for face in [face for face in open_pieces if face not in shown]:
            yield _closed(open_pieces.pop(face))
        for sighting in sightings:
            piece = open_pieces.setdefault(sighting.track, FacePiece(sighting.track))
            if len(piece.frames) == PIECE_FRAMES:
                yield piece
                piece = open_pieces[sighting.track] = FacePiece(sighting.track)
            # The small picture's pixel x covers the frame's around (x + 0.5) / scale - 0.5.
            landmarks_52 = (sighting.landmarks_52 + 0.5) / frame.scale - 0.5
            pixels = crop(frame.rgb_HWC, landmarks_52, recipe.size)
            piece.frames.append(np.asarray(simplejpeg.decode_jpeg(encode(pixels)), np.uint8))
            piece.frame_number.append(frame.index)
            piece.time_seconds.append(frame.time_seconds)
    for piece in open_pieces.values():
        yield _closed(piece)


def _closed(piece: FacePiece) -> FacePiece:
    piece.last = True
    return piece
