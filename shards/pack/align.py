"""From 5 landmarks to an upright crop of fixed size, by the recipe `face5_wide` version 1.

Axes: H W C pixels, 5 landmarks of x, y.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

RECIPE_NAME = "face5_wide"
RECIPE_VERSION = 1
# Eyes 0.27 of the crop apart, 0.40 from the top: 1.5 eye distances above them show the forehead, 2.2 below
# them hold the chin with the jaw dropped. Nose and mouth stand as in a common mean face.
TEMPLATE = [[0.365, 0.400], [0.635, 0.400], [0.500, 0.554], [0.388, 0.712], [0.612, 0.712]]
SHRINK_BELOW = 0.8
"""Scales below this go through an area average first, or fine texture would alias."""


def similarity(
    landmarks_52: NDArray[np.float64], size: int, template: list[list[float]] = TEMPLATE
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


def crop(rgb_HWC: NDArray[np.uint8], landmarks_52: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The (size, size, 3) crop; black where the frame ends. `landmarks_52` are pixel coordinates."""
    matrix_23 = similarity(landmarks_52, size)
    scale = float(np.hypot(matrix_23[0, 0], matrix_23[1, 0]))
    if scale < SHRINK_BELOW:
        rgb_HWC, matrix_23 = _shrunk(rgb_HWC, matrix_23, scale, size)
    warped = cv2.warpAffine(rgb_HWC, matrix_23, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    return np.asarray(warped, np.uint8)


def _shrunk(
    rgb_HWC: NDArray[np.uint8], matrix_23: NDArray[np.float64], scale: float, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the frame under the crop, averaged to the crop's scale, and the matrix from there."""
    backward_23 = cv2.invertAffineTransform(matrix_23)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ backward_23.T
    height, width = rgb_HWC.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)) - 2, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 2, (left + 1, top + 1), (width, height)).astype(
        int
    )
    part_HWC = rgb_HWC[top:bottom, left:right]
    new_size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    small_HWC = cv2.resize(part_HWC, new_size, interpolation=cv2.INTER_AREA)
    factor_x, factor_y = new_size[0] / (right - left), new_size[1] / (bottom - top)
    # A pixel's centre is at its whole number: (x - left + 0.5) * factor - 0.5 in the smaller picture.
    linear_22 = matrix_23[:, :2] / np.array([factor_x, factor_y])
    origin_2 = np.array([left - 0.5 + 0.5 / factor_x, top - 0.5 + 0.5 / factor_y])
    shift_2 = matrix_23[:, :2] @ origin_2 + matrix_23[:, 2]
    return np.asarray(small_HWC, np.uint8), np.hstack([linear_22, shift_2[:, None]])
