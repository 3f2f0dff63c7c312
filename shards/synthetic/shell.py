"""A shell around the skull: the surface that hair, caps, beanies and scarves are cut from.

Directions are angles about the vertical line through the middle of the skull: 0 is the face, positive to the
person's left, pi the back.

Legend: N directions, R rows from the crown down, D = 3. Lengths in decimetres, template coordinates.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.appearance import HEAD_CENTRE_Z
from shards.synthetic.head import load_head

DIRECTIONS, ROWS = 73, 22
CROWN_Y, CLOSES_FROM_Y = 1.207, 1.06
SHOULDERS_Y, SHOULDER_REACH = -0.9, 0.86
HEIGHTS = np.linspace(-2.2, 1.2, 52)

Float64 = NDArray[np.float64]


@cache
def directions() -> Float64:
    """Return the angles (N,) of the columns, from the back over the right side and round to the back."""
    return np.linspace(-np.pi, np.pi, DIRECTIONS)


@cache
def _skull_radius() -> Float64:
    """Return how far the skin reaches in each direction at each of HEIGHTS, (N, heights); 0 where none is."""
    head = load_head()
    x, y, z = head.vertices_VD[head.vertices_of("head", "cloth")].T
    angle, radius = np.arctan2(x, z - HEAD_CENTRE_Z), np.hypot(x, z - HEAD_CENTRE_Z)
    reach = np.zeros((DIRECTIONS, len(HEIGHTS)))
    for column, direction in enumerate(directions()):
        apart = np.abs((angle - direction + np.pi) % (2 * np.pi) - np.pi)
        for row, height in enumerate(HEIGHTS):
            near = (apart < 0.2) & (np.abs(y - height) < 0.1)
            reach[column, row] = radius[near].max() if near.any() else 0.0
    # Over the shoulders hair falls straight and ends inside them, it does not lie out flat.
    return np.where(HEIGHTS < SHOULDERS_Y, np.minimum(reach, SHOULDER_REACH), reach)


def shell_grid(bottom_N: Float64, thickness: float, hang: float, rough: Float64 | float = 0.0) -> Float64:
    """Return a grid (R, N, 3) from the crown down to the height `bottom_N` in each direction.

    Args:
        bottom_N: height where the shell ends, per direction.
        thickness: distance from the skin.
        hang: 1 lets the shell fall straight from its widest place, 0 keeps it along the skin.
        rough: added to the radius, per row and direction.
    """
    top = CROWN_Y + thickness
    # Rows lie closer near the crown, where the surface turns away fast.
    share_R = np.linspace(0, 1, ROWS) ** 1.4
    height_RN = top + share_R[:, None] * (bottom_N - top)[None]
    skin_RN = np.stack(
        [np.interp(height_RN[:, n], HEIGHTS, _skull_radius()[n]) for n in range(DIRECTIONS)], axis=1
    )
    above = np.clip(height_RN - CLOSES_FROM_Y, 0, None) / (top - CLOSES_FROM_Y)
    dome = np.sqrt(np.clip(1 - above**2, 0, 1))
    widest = np.maximum.accumulate(skin_RN, axis=0)
    radius_RN = (hang * widest + (1 - hang) * skin_RN + thickness + rough) * dome
    angle_N = directions()
    return np.stack(
        [
            radius_RN * np.sin(angle_N),
            height_RN,
            HEAD_CENTRE_Z + radius_RN * np.cos(angle_N),
        ],
        axis=-1,
    )
