"""Glasses: rims, bridge and temples as thin tubes, and lenses that reflect a little light.

Legend: N points of a rim, V vertices of the lenses, T triangles, D = 3. Lengths in decimetres, template
coordinates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.head import Head
from shards.synthetic.pieces import Piece, fitted, tube_piece

RIM_POINTS, LENS_RINGS = 26, 4
EYE_X, EYE_Y = 0.325, -0.035
FRONT_Z, WRAP = 0.30, 0.42

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Glasses:
    """Half width and height of a lens, how square it is (2 round, 5 square), and the thickness of the rim."""

    half_width: float
    half_height: float
    squareness: float
    thickness: float
    reflection: float


@dataclass(frozen=True)
class Lenses:
    """The glass on a person: `across_V` is the place (x + y, decimetres) that a streak of light runs over."""

    vertices_VD: Float32
    triangles_T3: NDArray[np.int32]
    across_V: Float32
    reflection: float


def draw_glasses(random: np.random.Generator) -> Glasses:
    """Draw a frame and how strongly its lenses reflect (grey levels)."""
    return Glasses(
        half_width=float(random.uniform(0.19, 0.235)),
        half_height=float(random.uniform(0.125, 0.185)),
        squareness=float(random.uniform(2.0, 4.5)),
        thickness=float(random.choice((0.009, 0.014, 0.022))),
        reflection=float(random.uniform(8.0, 42.0)),
    )


def _rim(glasses: Glasses, side: int, share: float = 1.0) -> Float32:
    """Points (N, 3) of the rim of one side (1 left, -1 right), or of a smaller copy of it inside."""
    turn = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    power = 2.0 / glasses.squareness
    x = glasses.half_width * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    y = glasses.half_height * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    x, y = EYE_X + share * x, EYE_Y + share * y
    z = FRONT_Z - WRAP * np.maximum(x - 0.1, 0) ** 1.7
    return np.stack([side * x, y, z], axis=-1).astype(np.float32)


def glasses_pieces(glasses: Glasses) -> list[Piece]:
    """Return the frame: two rims, the bridge and two temples."""
    inner, outer = EYE_X - glasses.half_width, EYE_X + glasses.half_width
    outer_z = FRONT_Z - WRAP * (outer - 0.1) ** 1.7
    bridge = np.array(
        [[x, 0.02 + 0.03 * (1 - (x / inner) ** 2), FRONT_Z + 0.03] for x in np.linspace(-inner, inner, 5)]
    )
    pieces = [tube_piece(bridge, glasses.thickness, closed=False)]
    for side in (1, -1):
        temple = np.array(
            [
                [outer, 0.03, outer_z],
                [outer + 0.06, 0.03, outer_z - 0.04],
                [0.80, 0.03, -0.3],
                [0.86, 0.0, -0.75],
            ]
        ) * (side, 1, 1)
        pieces += [
            tube_piece(_rim(glasses, side), glasses.thickness, closed=True),
            tube_piece(temple, glasses.thickness, closed=False),
        ]
    return pieces


def lenses_of(glasses: Glasses, head: Head, neutral_VD: Float32) -> Lenses:
    """Return the lenses, fitted to a person like the frame."""
    vertices: list[Float32] = []
    triangles: list[NDArray[np.int64]] = []
    ring = np.arange(RIM_POINTS)
    following = (ring + 1) % RIM_POINTS
    for side in (1, -1):
        for number, share in enumerate(np.linspace(0.02, 1.0, LENS_RINGS)):
            base = len(vertices) * RIM_POINTS
            vertices.append(_rim(glasses, side, float(share)))
            if number:
                a, b, c, d = (
                    base - RIM_POINTS + ring,
                    base - RIM_POINTS + following,
                    base + ring,
                    base + following,
                )
                front = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)])
                triangles.append(front if side == 1 else front[:, ::-1])
    placed = np.concatenate(vertices)
    return Lenses(
        fitted(placed, head, neutral_VD),
        np.ascontiguousarray(np.concatenate(triangles), dtype=np.int32),
        np.asarray(0.8 * placed[:, 0] + 0.6 * placed[:, 1], dtype=np.float32),
        glasses.reflection,
    )


def reflection_of(lenses: Lenses, yaw: float, pitch: float) -> Float32:
    """Return the light (V,) in grey levels that lenses add: a soft streak that runs as the head turns."""
    streak = lenses.across_V - 0.12 - 1.1 * yaw + 0.9 * pitch
    wide = np.exp(-((streak / 0.10) ** 2)) + 0.7 * np.exp(-(((streak + 0.42) / 0.07) ** 2))
    return np.asarray(lenses.reflection * (0.15 + wide), dtype=np.float32)
