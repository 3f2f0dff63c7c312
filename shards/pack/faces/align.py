"""From 5 landmarks to an upright crop of fixed size: the aligner protocol, the similarity, the warp.

Axes: H W C pixels, 5 landmarks (eyes, nose, mouth corners; the subject's right first) of x, y.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.pack.frames.parts import Box, Part

HALVE_BELOW = 0.5
MARGIN = 2
"""Pixels of a crop's own scale around it that the warp may look at."""


class Aligner(Protocol):
    """Anything that says where a face's landmarks lie in its crop."""

    @property
    def version(self) -> int:
        """Another one for every change of the crops."""
        ...

    @property
    def template(self) -> list[list[float]]:
        """Where the 5 landmarks of a mean face land, as shares of the crop's side; `inspect` draws by it."""
        ...

    def matrix(self, landmarks_52: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """The (2, 3) affine map from pixels of the frame to those of a crop of `size` pixels."""
        ...


@dataclass(frozen=True)
class FivePointAligner:
    """The similarity that fits all 5 landmarks to a template."""

    version: int
    template: list[list[float]]

    def matrix(self, landmarks_52: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        return similarity(landmarks_52, size, self.template)


def similarity(
    landmarks_52: NDArray[np.float64], size: int, template: list[list[float]]
) -> NDArray[np.float64]:
    """The (2, 3) rotation, scale and shift that best (least squares) puts landmarks on the template."""
    source = landmarks_52 @ np.array([1, 1j])
    target = np.array(template) @ np.array([1, 1j]) * size
    source_mean, target_mean = source.mean(), target.mean()
    spread = float(np.sum(np.abs(source - source_mean) ** 2))
    if spread == 0:
        raise ValueError("five equal landmarks have no direction")
    turn = np.sum(np.conj(source - source_mean) * (target - target_mean)) / spread
    shift = target_mean - turn * source_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def box_under(matrix_23: NDArray[np.float64], size: int) -> Box:
    """The pixels of the frame that a crop is made of."""
    corners_42 = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]])
    margin = math.ceil(MARGIN / _scale(matrix_23))
    return Box.around(corners_42 @ cv2.invertAffineTransform(matrix_23).T, margin)


def crop(part: Part, matrix_23: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The (size, size, 3) crop that an aligner's matrix describes; black where the frame ends.

    A face of more than twice the crop's scale is halved, 2 x 2 pixels to one, until it is not: the warp takes
    single pixels, and fine texture would alias.
    """
    rgb_HWC, matrix_23 = part.rgb_HWC, _moved(matrix_23, part.left, part.top)
    if _scale(matrix_23) < HALVE_BELOW:
        box = box_under(matrix_23, size).inside(rgb_HWC.shape[1], rgb_HWC.shape[0])
        rgb_HWC = rgb_HWC[box.top : box.bottom, box.left : box.right]
        matrix_23 = _moved(matrix_23, box.left, box.top)
    while _scale(matrix_23) < HALVE_BELOW and min(rgb_HWC.shape[:2]) > 1:
        height, width = rgb_HWC.shape[0] // 2, rgb_HWC.shape[1] // 2
        even_HWC = rgb_HWC[: 2 * height, : 2 * width]
        rgb_HWC = np.asarray(cv2.resize(even_HWC, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        # The centre of the smaller picture's pixel x is at 2 x + 0.5.
        matrix_23 = _moved(matrix_23, 0.5, 0.5) * [2, 2, 1]
    warped = cv2.warpAffine(rgb_HWC, matrix_23, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    return np.asarray(warped, np.uint8)


def _scale(matrix_23: NDArray[np.float64]) -> float:
    return float(np.hypot(matrix_23[0, 0], matrix_23[1, 0]))


def _moved(matrix_23: NDArray[np.float64], left: float, top: float) -> NDArray[np.float64]:
    """The same map from a picture whose first pixel is at (left, top) of the present one."""
    return np.column_stack([matrix_23[:, :2], matrix_23 @ [left, top, 1]])
