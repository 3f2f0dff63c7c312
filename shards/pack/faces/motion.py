"""Landmarks between two detections of a face: carried by the motion of the whole face.

A grid of points over the face is followed by pyramidal Lucas-Kanade, and a similarity (shift, turn, scale) is
fitted to it. Single landmarks would be followed less well: an eye that blinks takes its point along, a face
does not.

Axes: S pictures after the first, N points of the grid, 5 landmarks; points are complex, x + iy in pixels.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

GRID = 5
"""Points on a side; more were no better."""
GRID_REACH = 1.1
"""Face sizes from the middle to the sides of the grid: from the eyebrows to the chin."""
LEAST_POINTS = 8
"""That are followed to the end; on fewer nothing is built."""
WINDOW = (11, 11)
LEVELS = 2
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
MARGIN = 1.6
"""Face sizes around the landmarks in which points are followed: the rest of the picture costs time."""
TRUSTED_DISAGREEMENT = 0.24
"""Face sizes: a landmark found farther from where motion takes it moved by itself, or motion is wrong."""

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]
Picture = NDArray[np.uint8]


def carry(pictures: Sequence[Picture], start_52: Floats, end_52: Floats) -> list[Floats]:
    """Landmarks (5, 2) in the pictures between the first and the last, whose landmarks are given."""
    steps = len(pictures) - 1
    share_S1 = np.arange(1, steps + 1)[:, None] / steps
    start_5, end_5 = _complex(start_52), _complex(end_52)
    size = max(face_size(start_5), 1.0)
    path_S5 = (1 - share_S1) * start_5 + share_S1 * end_5
    moved_S5 = _moved(pictures, start_5, end_5, size)
    if moved_S5 is not None:
        missing_5 = end_5 - moved_S5[-1]
        trusted_5 = np.abs(missing_5) <= TRUSTED_DISAGREEMENT * size
        path_S5 = np.where(trusted_5, moved_S5 + share_S1 * missing_5, path_S5)
    return [_pairs(landmarks_5) for landmarks_5 in path_S5[:-1]]


def _complex(points_N2: Floats) -> Complex:
    return np.asarray(points_N2[:, 0] + 1j * points_N2[:, 1])


def _pairs(points_N: Complex) -> Floats:
    return np.stack([points_N.real, points_N.imag], axis=1)


def face_size(landmarks_5: Complex) -> float:
    """Root mean square distance from the middle, about 0.6 eye distances; stays large where a head turns."""
    return float(np.sqrt(np.mean(np.abs(landmarks_5 - landmarks_5.mean()) ** 2)))


def _moved(pictures: Sequence[Picture], start_5: Complex, end_5: Complex, size: float) -> Complex | None:
    """Where the face's motion takes the landmarks, (S, 5); None where it cannot be told."""
    corner, parts = _around(pictures, np.concatenate([start_5, end_5]), MARGIN * size)
    if min(parts[0].shape) < min(WINDOW):
        return None  # the face is all but out of the picture, and OpenCV never returns from an empty one
    side = np.linspace(-GRID_REACH * size, GRID_REACH * size, GRID)
    grid_N = start_5.mean() + (side + 1j * side[:, None]).ravel()
    followed_SN, kept_N = _follow(parts, grid_N - corner)
    if kept_N.sum() < LEAST_POINTS:
        return None
    turn_S1, shift_S1 = _similarities(grid_N[kept_N], followed_SN[:, kept_N] + corner)
    return turn_S1 * start_5 + shift_S1


def _around(pictures: Sequence[Picture], points: Complex, margin: float) -> tuple[complex, list[Picture]]:
    """The part of each picture around the points, and its upper left corner."""
    height, width = pictures[0].shape
    left, right = np.clip([points.real.min() - margin, points.real.max() + margin], 0, width).astype(int)
    top, bottom = np.clip([points.imag.min() - margin, points.imag.max() + margin], 0, height).astype(int)
    return complex(left, top), [picture[top : bottom + 1, left : right + 1] for picture in pictures]


def _follow(pictures: Sequence[Picture], grid_N: Complex) -> tuple[Complex, NDArray[np.bool_]]:
    """The points in all pictures after the first, (S, N), and which were never lost."""
    points = _pairs(grid_N).astype(np.float32)[:, None]
    kept_N = np.ones(len(grid_N), bool)
    followed = []
    for before, after in pairwise(pictures):
        points, found, _ = cv2.calcOpticalFlowPyrLK(
            before, after, points, None, winSize=WINDOW, maxLevel=LEVELS, criteria=STOP
        )
        kept_N &= found.ravel() == 1
        followed.append(_complex(points[:, 0].astype(np.float64)))
    return np.stack(followed), kept_N


def _similarities(grid_N: Complex, followed_SN: Complex) -> tuple[Complex, Complex]:
    """Turn and shift (S, 1) that bring turn * grid + shift nearest to the followed points (least squares)."""
    middle, middle_S1 = grid_N.mean(), followed_SN.mean(axis=1, keepdims=True)
    offset_N = grid_N - middle
    along_S1 = np.sum(np.conj(offset_N) * (followed_SN - middle_S1), axis=1, keepdims=True)
    turn_S1 = along_S1 / np.sum(np.abs(offset_N) ** 2)
    return turn_S1, middle_S1 - turn_S1 * middle
