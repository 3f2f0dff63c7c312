"""From frames to crops of the faces in them: the one path of packing and of a trained model's use.

Axes: H W C pixels of a crop, 5 landmarks of x, y.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.pack.faces.align import Aligner, box_under, crop
from shards.pack.faces.detect import Detector, Face
from shards.pack.faces.encode import encode
from shards.pack.faces.track import Follower, Sighting
from shards.pack.frames.decode import DecodedFrame
from shards.pack.stopwatch import Stopwatch


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face in one frame."""

    track: int
    landmarks_52: NDArray[np.float64]
    """In pixels of the frame."""
    score: float | None
    """The detector's, in frames that it searched."""
    pixels_HWC: NDArray[np.uint8]
    jpeg: bytes
    """What shards store: a model sees these pixels, not those before coding."""


class FaceCropper:
    """Finds, follows, crops and encodes the faces of one video after the other."""

    def __init__(self, detector: Detector, aligner: Aligner, size: int, watch: Stopwatch) -> None:
        self.long_side = detector.long_side
        self._detector = _TimedDetector(detector, watch)
        self._aligner = aligner
        self._size = size
        self._watch = watch

    def crops(
        self, frames: Iterable[DecodedFrame], detect_every: int
    ) -> Iterator[tuple[DecodedFrame, list[FaceCrop]]]:
        """Each frame, in order, with the faces in it; what `frames` raises comes after the frames before.

        Raises:
            ShardError: detector or aligner give arrays of another shape than their protocols say.
        """
        pairs = Follower[DecodedFrame](self._detector, detect_every).follow(frames)
        while True:
            with self._watch.stage("track"):
                pair = next(pairs, None)
            if pair is None:
                return
            frame, sightings = pair
            yield frame, [self._crop(frame, sighting) for sighting in sightings]

    def _crop(self, frame: DecodedFrame, sighting: Sighting) -> FaceCrop:
        # The small picture's pixel x covers the frame's around (x + 0.5) / scale - 0.5.
        landmarks_52 = (sighting.landmarks_52 + 0.5) / frame.scale - 0.5
        matrix_23 = self._aligner.matrix(landmarks_52, self._size)
        _check_shape("an aligner's matrix has", matrix_23, (2, 3))
        with self._watch.stage("colour"):
            part = frame.part(box_under(matrix_23, self._size))
        with self._watch.stage("align"):
            pixels_HWC = frame.standard(crop(part, matrix_23, self._size))
        with self._watch.stage("encode"):
            jpeg = encode(pixels_HWC)
        return FaceCrop(sighting.track, landmarks_52, sighting.score, pixels_HWC, jpeg)


class _TimedDetector:
    """A detector whose time is counted apart from the tracking around it."""

    def __init__(self, detector: Detector, watch: Stopwatch) -> None:
        self.version, self.sha256 = detector.version, detector.sha256
        self.device, self.long_side = detector.device, detector.long_side
        self._detector = detector
        self._watch = watch

    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        with self._watch.stage("detect"):
            faces = self._detector.detect(small_HW)
        for face in faces:
            _check_shape("a detector's landmarks have", face.landmarks_52, (5, 2))
        return faces


def _check_shape(what: str, array: NDArray[np.float64], wanted: tuple[int, int]) -> None:
    """Both may be the user's own code."""
    if array.shape != wanted:
        raise ShardError(
            f"{what} shape {array.shape}, wanted {wanted}; correct what `--detector` or `--crop` names"
        )
