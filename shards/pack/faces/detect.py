"""Finding faces in a small luma picture: the protocol, and YuNet.

Axes: H W pixels; 5 landmarks (eyes, nose, mouth corners; the subject's right first) of x, y.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.pack.faces.candidates import merge

MODEL = Path(__file__).parents[1] / "data" / "face_detection_yunet_2023mar.onnx"
MODEL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
KEEP_SCORE = 0.5
"""Enough to go on with a face that is followed already."""
NEW_SCORE = 0.7
"""Enough to begin a track."""
SUPPRESS_NONE = 1.0
MOST_BOXES = 5000
"""Before those of one face are merged."""


@dataclass(frozen=True)
class Face:
    """One detection, in pixels of the picture that was searched."""

    box: tuple[float, float, float, float]
    """x, y of the upper left corner, width, height."""
    landmarks_52: NDArray[np.float64]
    score: float


class Detector(Protocol):
    """Anything that finds faces with 5 landmarks; tracks begin at a score of `NEW_SCORE`."""

    @property
    def version(self) -> str:
        """Model and settings: another one for every change of what is found."""
        ...

    @property
    def sha256(self) -> str:
        """Of the weights."""
        ...

    @property
    def device(self) -> str:
        """On which it runs, e.g. `cpu`; another one gives other last digits."""
        ...

    @property
    def long_side(self) -> int:
        """Pixels of the longer side of the pictures that it wants."""
        ...

    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        """Faces with a score of at least `KEEP_SCORE`, best first."""
        ...


class YuNet:
    """YuNet by OpenCV, on luma alone: recall on real clips was equal to that on colours."""

    version = f"2023mar-merged-{NEW_SCORE}-{KEEP_SCORE}"
    sha256 = MODEL_SHA256
    device = "cpu"
    long_side = 320

    def __init__(self) -> None:
        model_bytes()
        self._network: cv2.FaceDetectorYN | None = None
        self._size = (0, 0)

    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        size = (small_HW.shape[1], small_HW.shape[0])
        if self._network is None:
            self._network = _load(size)
        elif size != self._size:
            self._network.setInputSize(size)
        self._size = size
        _, rows = self._network.detect(cv2.cvtColor(small_HW, cv2.COLOR_GRAY2BGR))
        if rows is None:
            return []
        return [
            Face((row[0], row[1], row[2], row[3]), row[4:14].reshape(5, 2), float(row[14]))
            for row in merge(rows.astype(np.float64))
        ]


def _load(size: tuple[int, int]) -> cv2.FaceDetectorYN:
    # OpenCV 5 warns on every load that this network has no choice of targets.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(str(MODEL), "", size, KEEP_SCORE, SUPPRESS_NONE, MOST_BOXES)
    finally:
        cv2.utils.logging.setLogLevel(level)


@cache
def model_bytes() -> bytes:
    """The detector's weights, checked.

    Raises:
        ShardError: the file is missing or another one.
    """
    try:
        content = MODEL.read_bytes()
    except FileNotFoundError as error:
        raise ShardError(f"the face detector {MODEL} is missing; install facscale again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != MODEL_SHA256:
        raise ShardError(
            f"{MODEL} has sha256 {found[:12]}, wanted {MODEL_SHA256[:12]}: it is another or a damaged model; "
            "install facscale again"
        )
    return content
