"""The small luma picture of a frame, in which faces are looked for.

Axes: H W pixels.
"""

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Word = TypeVar("Word", bound=np.unsignedinteger[Any])

LEAST_SIDE = 96
"""Smaller pictures are enlarged to this: of FER+'s 48 pixels the detector missed 7-22 % of faces."""


def small_size(
    width: int, height: int, long_side: int, shape: tuple[int, int] | None
) -> tuple[tuple[int, int], float]:
    """Width and height of the small picture, and its pixels per pixel of the whole one.

    Faces are followed between pictures of one size only, so a picture is fitted into `shape`, that of the
    small picture before it, where its own form is another.
    """
    longer = max(height, width)
    scale = min(max(1.0, LEAST_SIDE / longer), long_side / longer)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if shape is not None and size != shape[::-1]:
        scale = min(shape[0] / height, shape[1] / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, scale


def resized(luma_HW: NDArray[Word], size: tuple[int, int]) -> NDArray[Word]:
    """A copy of this (width, height): averaged where it shrinks, interpolated where it grows."""
    # Halving has vector code: 1280x720 to 320x180 takes a seventh of the time. Averages of whole blocks stay
    # those of their pixels, up to rounding.
    while _is_even_multiple(luma_HW.shape, size):
        half = (luma_HW.shape[1] // 2, luma_HW.shape[0] // 2)
        luma_HW = np.asarray(cv2.resize(luma_HW, half, interpolation=cv2.INTER_AREA), luma_HW.dtype)
    height, width = luma_HW.shape
    if size == (width, height):
        return luma_HW.copy()
    how = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma_HW, size, interpolation=how), luma_HW.dtype)


def _is_even_multiple(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    times = shape[1] // size[0]
    return times % 2 == 0 and times > 0 and shape == (times * size[1], times * size[0])


def padded(luma_HW: NDArray[np.uint8], shape: tuple[int, int] | None) -> NDArray[np.uint8]:
    """With black to the right or below up to `shape`."""
    if shape is None or luma_HW.shape == shape:
        return luma_HW
    below, right = shape[0] - luma_HW.shape[0], shape[1] - luma_HW.shape[1]
    return np.asarray(cv2.copyMakeBorder(luma_HW, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8)
