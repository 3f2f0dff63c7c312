"""Movements that the 52 units of the head lack, as smooth displacement fields on the template.

The source's units move landmarks but bulge little: a raised cheek does not swell, a dimple has no pit,
pressed lips push nothing aside. Each corrective below is a sum of bumps, in the manner of the corrective
shapes that animators sculpt; it moves vertices and paints nothing. This project's reconstruction, placed on
the template by eye.

Legend: V vertices, E sparse entries, D = 3. Lengths in decimetres, template coordinates (see `head`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SMALLEST_MOVE = 0.0005
# Behind this depth lie ears and skull, which no corrective moves.
FACE_FROM_Z = -0.25


@dataclass(frozen=True)
class Bump:
    """A Gaussian in the frontal plane: at (x, y), `wide` and `high` are its standard deviations.

    `push` is the displacement (x, y, z) at its middle, for the person's left side; `angle` (radians) turns
    it; with a `wavelength` the push goes up and down in ridges along the turned x axis.
    """

    x: float
    y: float
    wide: float
    high: float
    push: tuple[float, float, float]
    angle: float = 0.0
    wavelength: float = 0.0

    def displacement(self, position_VD: Float32) -> Float32:
        """Return what this bump adds to each position (V, 3)."""
        x, y = position_VD[:, 0] - self.x, position_VD[:, 1] - self.y
        along = np.cos(self.angle) * x + np.sin(self.angle) * y
        across = np.cos(self.angle) * y - np.sin(self.angle) * x
        amount = np.exp(-0.5 * ((along / self.wide) ** 2 + (across / self.high) ** 2))
        if self.wavelength:
            amount *= np.cos(2 * np.pi * along / self.wavelength)
        return np.asarray(amount[:, None] * np.array(self.push), dtype=np.float32)


# Each is made twice, as `...Left` and mirrored as `...Right`.
SIDED: Mapping[str, tuple[Bump, ...]] = {
    # The apple of the cheek swells and rises, the skin below the lid folds, the outer corner is pinched.
    "cheekBulge": (
        Bump(0.40, -0.27, 0.13, 0.09, (0.02, 0.045, 0.062)),
        Bump(0.34, -0.135, 0.11, 0.022, (0.0, 0.012, -0.03), angle=-0.12),
        Bump(0.55, -0.03, 0.05, 0.07, (-0.02, 0.0, 0.0)),
        Bump(0.56, -0.02, 0.05, 0.07, (0.008, 0.0, 0.018), angle=1.5, wavelength=0.075),
    ),
    # The corner of the mouth is drawn into a pit, with a ridge beside it.
    "cornerPit": (
        Bump(0.275, -0.645, 0.035, 0.055, (0.0, 0.008, -0.07)),
        Bump(0.365, -0.635, 0.035, 0.10, (0.0, 0.0, 0.055)),
    ),
    # Both corners towards the middle.
    "cornerIn": (Bump(0.24, -0.66, 0.09, 0.09, (-0.085, 0.0, 0.01)),),
    "cornerOut": (Bump(0.26, -0.655, 0.10, 0.09, (0.075, 0.03, -0.035)),),
    # The wing of the nose rises and the fold beside it deepens.
    "wingUp": (
        Bump(0.13, -0.40, 0.05, 0.06, (0.012, 0.045, 0.0)),
        Bump(0.22, -0.42, 0.03, 0.09, (0.0, 0.0, -0.035), angle=0.35),
        Bump(0.29, -0.38, 0.05, 0.09, (0.0, 0.02, 0.04), angle=0.35),
    ),
}
MIDDLE: Mapping[str, tuple[Bump, ...]] = {
    # Furrows across the root of the nose.
    "noseRidges": (Bump(0.0, -0.06, 0.10, 0.10, (0.0, 0.0, 0.015), angle=np.pi / 2, wavelength=0.085),),
    # Skin pushed out above and below lips that are pressed together.
    "lipsBulge": (
        Bump(0.0, -0.535, 0.14, 0.035, (0.0, 0.01, 0.035)),
        Bump(0.0, -0.80, 0.14, 0.04, (0.0, -0.01, 0.045)),
    ),
    # The middle of the lips sinks against the corners.
    "lipsMiddleDown": (Bump(0.0, -0.66, 0.11, 0.10, (0.0, -0.055, 0.0)),),
    # The boss of the chin is pushed up and out, and dents the skin below the lip.
    "chinBoss": (
        Bump(0.0, -0.93, 0.12, 0.07, (0.0, 0.05, 0.045)),
        Bump(0.0, -0.815, 0.13, 0.022, (0.0, 0.01, -0.035)),
    ),
    # Two furrows between the brows.
    "browFurrow": (Bump(0.0, 0.17, 0.05, 0.09, (0.0, 0.0, 0.028), wavelength=0.10),),
}


def corrective_targets(vertices_VD: Float32, moving_V: NDArray[np.bool_]) -> Mapping[str, Float32]:
    """Return the displacement (V, 3) of every corrective; `moving_V` marks skin and inner lips."""
    front = moving_V & (vertices_VD[:, 2] > FACE_FROM_Z)
    mirror = np.array([-1, 1, 1], np.float32)

    def field(bumps: tuple[Bump, ...], position_VD: Float32) -> Float32:
        moved = sum((bump.displacement(position_VD) for bump in bumps), np.zeros_like(position_VD))
        moved[~front | (np.abs(moved).max(axis=1) < SMALLEST_MOVE)] = 0
        return moved

    fields = {name: field(bumps, vertices_VD) for name, bumps in MIDDLE.items()}
    for name, bumps in SIDED.items():
        fields[name + "Left"] = field(bumps, vertices_VD)
        fields[name + "Right"] = field(bumps, vertices_VD * mirror) * mirror
    return fields
