"""How a video's stored pixels are shown: turned, mirrored and made square.

Axes: H W pixels, with any axes behind.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData, Type
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)

MOST_STRETCH = 4.0
"""Width of a pixel per height, or the other way round; broadcast has up to 2.91, more is a damaged header."""


@dataclass(frozen=True)
class Upright:
    """From stored pixels to the picture that people see: stretched, then mirrored, then turned."""

    mirrored: bool = False
    """Left and right change places."""
    turns: int = 0
    """Quarter turns, counter-clockwise."""
    pixel_aspect: float = 1.0
    """Width of a stored pixel per height."""

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height with square pixels, before turning; no side loses pixels."""
        if self.pixel_aspect >= 1:
            return round(width * self.pixel_aspect), height
        return width, round(height / self.pixel_aspect)

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture."""
        size = self.stored_size(width, height)
        return size[::-1] if self.turns % 2 else size

    def turn(self, pixels_HW: NDArray[Pixel]) -> NDArray[Pixel]:
        """Mirror and turn, without a copy."""
        if self.mirrored:
            pixels_HW = pixels_HW[:, ::-1]
        return np.rot90(pixels_HW, self.turns) if self.turns else pixels_HW

    def show(self, pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture with square pixels."""
        height, width = pixels_HWC.shape[:2]
        size = self.stored_size(width, height)
        if size != (width, height):
            pixels_HWC = np.asarray(cv2.resize(pixels_HWC, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return self.turn(pixels_HWC)


def pixel_aspect(stored: Fraction | None) -> float:
    """Width per height of a pixel; 1 where the file does not say, or says what no camera does."""
    if not stored or not 1 / MOST_STRETCH <= stored <= MOST_STRETCH:
        return 1.0
    return float(stored)


def upright_of(picture: av.VideoFrame, aspect: float) -> Upright:
    """By the picture's display matrix; angles between are taken to the nearest quarter turn."""
    matrix = _display_matrix(picture)
    if matrix is None:
        return Upright(turns=round(picture.rotation / 90) % 4, pixel_aspect=aspect)
    # Stored (x, y) is shown at (a x + c y, b x + d y), y downwards.
    a, b, c, d = (float(number) for number in matrix[[0, 1, 3, 4]])
    mirrored = a * d - b * c < 0
    if mirrored:  # the rest is the turn of a picture that was mirrored before
        a, b = -a, -b
    return Upright(mirrored, round(math.atan2(-b, a) / (math.pi / 2)) % 4, aspect)


def _display_matrix(picture: av.VideoFrame) -> NDArray[np.int32] | None:
    """The 9 numbers, or None; PyAV refuses to list side data of a kind that it does not know."""
    entries: Iterable[object] = picture.side_data
    try:
        for entry in entries:
            if isinstance(entry, SideData) and entry.type == Type.DISPLAYMATRIX:
                return np.frombuffer(bytes(entry), np.int32)
    except ValueError:
        return None
    return None
