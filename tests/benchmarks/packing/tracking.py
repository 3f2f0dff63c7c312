"""How near followed landmarks come to detection in every frame, and how many of its faces are kept.

Distances are in eye distances, so that faces of any size compare. A detector does not say quite the same of
the same face twice: its jitter between a frame and this frame moved by one pixel is measured beside it.

Axes: H W pixels of the small luma picture, N distances, 5 landmarks of x, y.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.pack.faces.detect import Detector, YuNet
from shards.pack.faces.track import Follower
from shards.pack.frames.decode import DecodedFrame, read_frames

SAME_FACE = 0.5
"""Eye distances that the landmarks of one face are apart, at most and on average."""
MOVED_PIXELS = 1


@dataclass
class SmallPicture:
    """A frame without its colours, which would keep the decoder's memory."""

    small_HW: NDArray[np.uint8]


@dataclass
class Tracking:
    """What was found in some videos. Distances are of single landmarks, in eye distances."""

    faces: int = 0
    """That detection in every frame gives."""
    found: int = 0
    """Of these, by sparse detection too."""
    followed_N: list[float] = field(default_factory=list)
    """From detection in every frame, in the frames that sparse detection did not search."""
    jitter_N: list[float] = field(default_factory=list)

    def add(self, path: Path, detect_every: int) -> None:
        """Measure a video and count it in."""
        detector = YuNet()
        full, sparse = tee(_small(read_frames(path, detector.long_side, _told)))
        pairs = zip(
            Follower[SmallPicture](detector, 1).follow(full),
            Follower[SmallPicture](detector, detect_every).follow(sparse),
            strict=True,
        )
        for (picture, wanted), (_, there) in pairs:
            moved = _moved(detector, picture) if wanted else []
            for face in wanted:
                self.faces += 1
                apart_5 = _apart(face.landmarks_52, (sighting.landmarks_52 for sighting in there))
                if apart_5 is not None:
                    self.found += 1
                    if all(sighting.score is None for sighting in there):
                        self.followed_N += apart_5.tolist()
                jitter_5 = _apart(face.landmarks_52, moved)
                if jitter_5 is not None:
                    self.jitter_N += jitter_5.tolist()


def _told(stage: str, reason: str, detail: str) -> None:
    sys.stderr.write(f"{stage}, {reason}: {detail}\n")


def _small(frames: Iterable[DecodedFrame]) -> Iterator[SmallPicture]:
    for frame in frames:
        yield SmallPicture(frame.small_HW)


def _moved(detector: Detector, picture: SmallPicture) -> list[NDArray[np.float64]]:
    """Landmarks in the picture moved to the right, brought back."""
    faces = detector.detect(np.ascontiguousarray(np.roll(picture.small_HW, MOVED_PIXELS, axis=1)))
    return [face.landmarks_52 - np.array([MOVED_PIXELS, 0]) for face in faces]


def _apart(
    wanted_52: NDArray[np.float64], others: Iterable[NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Distances to the nearest of the others, None where no other is of the same face."""
    eyes = np.linalg.norm(wanted_52[0] - wanted_52[1])
    apart = [np.linalg.norm(wanted_52 - other_52, axis=1) / eyes for other_52 in others]
    nearest_5 = min(apart, key=lambda apart_5: float(apart_5.mean()), default=None)
    return nearest_5 if nearest_5 is not None and nearest_5.mean() < SAME_FACE else None
