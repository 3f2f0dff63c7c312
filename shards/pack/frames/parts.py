"""Parts of a frame: a crop needs the colours of its own pixels only.

Axes: H W pixels, C = RGB.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

STEP_X, STEP_Y = 16, 4
"""Parts begin and end at multiples of these: converted alone, their pixels are those of the whole frame."""
LEAST_SIDE = 32
"""Pixels of a part; swscale refuses tiny pictures."""


@dataclass(frozen=True)
class Box:
    """Whole pixels, the last ones excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points_N2: NDArray[np.float64], margin: int) -> Self:
        """The smallest box on the steps that holds all points (x, y) and a margin of pixels around them."""
        steps = np.array([STEP_X, STEP_Y])
        first = np.floor((points_N2.min(axis=0) - margin) / steps).astype(int) * steps
        last = np.ceil((points_N2.max(axis=0) + margin + 1) / steps).astype(int) * steps
        return cls(int(first[0]), int(first[1]), int(last[0]), int(last[1]))

    def inside(self, width: int, height: int) -> Self:
        """What of it lies in a picture of this size; where that is too little, some pixels beside it too."""
        left = max(0, min(self.left, (width - LEAST_SIDE) // STEP_X * STEP_X))
        top = max(0, min(self.top, (height - LEAST_SIDE) // STEP_Y * STEP_Y))
        right = min(max(self.right, left + LEAST_SIDE), width)
        bottom = min(max(self.bottom, top + LEAST_SIDE), height)
        return type(self)(left, top, right, bottom)


@dataclass(frozen=True, eq=False)
class Part:
    """The colours of a part of a frame, or of all of it."""

    rgb_HWC: NDArray[np.uint8]
    left: int = 0
    top: int = 0
