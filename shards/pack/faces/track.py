"""Following faces through a video: detection on every Nth frame, landmarks carried between.

Between two detections of a face its landmarks move as the face does (motion.py). Where the number of faces
changes between two such frames, the frames between are searched one by one, so that a track ends where its
face is lost. A shot cut ends all tracks.

Axes: H W pixels of the small luma picture, 5 landmarks of x, y.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.pack.faces.candidates import overlap
from shards.pack.faces.detect import NEW_SCORE, Detector, Face
from shards.pack.faces.motion import carry

SAME_FACE_OVERLAP = 0.3
THUMBNAIL = (32, 18)
CUT_CORRELATION = 0.5
CUT_DIFFERENCE = 15.0


class SmallPicture(Protocol):
    small_HW: NDArray[np.uint8]


Item = TypeVar("Item", bound=SmallPicture)


@dataclass(frozen=True)
class Sighting:
    """A tracked face in one frame, in pixels of the small picture."""

    track: int
    landmarks_52: NDArray[np.float64]
    score: float | None
    """The detector's, in frames that it searched."""


def is_cut(before_HW: NDArray[np.uint8], after_HW: NDArray[np.uint8]) -> bool:
    """Whether two consecutive frames show different scenes: other brightness in other places."""
    thumbnails = [
        cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA) for picture in (before_HW, after_HW)
    ]
    first, second = (thumbnail.astype(np.float64).ravel() for thumbnail in thumbnails)
    if np.abs(first - second).mean() < CUT_DIFFERENCE:
        return False
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first @ first) * (second @ second))
    return bool(norm == 0 or first @ second < CUT_CORRELATION * norm)


class Follower(Generic[Item]):
    """Turns frames into frames with sightings, in order; holds at most `detect_every` frames back."""

    def __init__(self, detector: Detector, detect_every: int) -> None:
        if detect_every < 1:
            raise ValueError(f"detect_every is at least 1, found {detect_every}")
        self._detector = detector
        self._every = detect_every
        self._faces: dict[int, Face] = {}
        self._next_track = 0

    def follow(self, frames: Iterable[Item]) -> Iterator[tuple[Item, list[Sighting]]]:
        """Each frame with the faces in it; a track's frames are consecutive."""
        last: Item | None = None
        waiting: list[Item] = []
        previous: Item | None = None
        for frame in frames:
            if last is None or (previous is not None and is_cut(previous.small_HW, frame.small_HW)):
                if last is not None:
                    yield from self._close(last, waiting)
                self._faces = {}
                last, waiting = frame, []
                yield frame, self._search(frame)
            else:
                waiting.append(frame)
                if len(waiting) == self._every:
                    yield from self._close(last, waiting)
                    last, waiting = frame, []
            previous = frame
        if last is not None:
            yield from self._close(last, waiting)

    def _close(self, last: Item, waiting: list[Item]) -> Iterator[tuple[Item, list[Sighting]]]:
        """Decide on the frames after `last`, of which the final one is searched."""
        if not waiting:
            return
        found = self._detector.detect(waiting[-1].small_HW)
        matched, fresh = self._match(found)
        if len(matched) < len(self._faces) or fresh:
            for frame in waiting[:-1]:
                yield frame, self._search(frame)
            yield waiting[-1], self._accept(*self._match(found))
            return
        pictures = [last.small_HW, *(frame.small_HW for frame in waiting)]
        paths = {
            track: carry(pictures, self._faces[track].landmarks_52, face.landmarks_52)
            for track, face in matched.items()
        }
        for number, frame in enumerate(waiting[:-1]):
            yield frame, [Sighting(track, paths[track][number], None) for track in sorted(paths)]
        yield waiting[-1], self._accept(matched, fresh)

    def _search(self, frame: Item) -> list[Sighting]:
        return self._accept(*self._match(self._detector.detect(frame.small_HW)))

    def _match(self, found: list[Face]) -> tuple[dict[int, Face], list[Face]]:
        """The face of each running track, best overlaps first, and the faces that begin a track."""
        boxes = np.array([face.box for face in found]).reshape(-1, 4)
        pairs = sorted(
            (-shared, track, place)
            for track, face in self._faces.items()
            for place, shared in enumerate(overlap(np.array(face.box), boxes))
        )
        matched: dict[int, int] = {}
        for negative, track, place in pairs:
            if -negative >= SAME_FACE_OVERLAP and track not in matched and place not in matched.values():
                matched[track] = place
        taken = set(matched.values())
        fresh = [face for place, face in enumerate(found) if place not in taken and face.score >= NEW_SCORE]
        return {track: found[place] for track, place in matched.items()}, fresh

    def _accept(self, matched: dict[int, Face], fresh: list[Face]) -> list[Sighting]:
        self._faces = dict(sorted(matched.items()))
        for face in fresh:
            self._faces[self._next_track] = face
            self._next_track += 1
        return [Sighting(track, face.landmarks_52, face.score) for track, face in self._faces.items()]
