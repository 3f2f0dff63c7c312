"""Paint of what shows through the openings of the face: eyes, teeth, gums, tongue, and the lashes around.

Legend: S x S texels, V vertices, D = 3, C = 3 colours (RGB, 0-255). Lengths in decimetres.
"""

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.look import Look

Float32 = NDArray[np.float32]

MOUTH, TONGUE = (150, 62, 58), (186, 92, 88)
ENAMEL, GUM, GAP = (238, 230, 212), (176, 88, 86), (92, 66, 56)
TOOTH_WIDTHS = (0.085, 0.065, 0.075, 0.07, 0.07, 0.09)  # from the middle outwards
GUM_LINE = {"upper_teeth": -0.515, "lower_teeth": -0.795}


def _step(low: float, high: float, value: NDArray[np.floating]) -> Float32:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def paint_mouth(
    colour_SSC: Float32, position_SSD: Float32, parts: dict[str, NDArray[np.bool_]], look: Look
) -> None:
    """Paint the inside of the mouth, darker the deeper, and teeth one by one."""
    z = position_SSD[..., 2]
    deep = _step(-0.35, 0.2, z)[..., None]
    for name, paint, dark, light in (
        ("mouth", (150, 62, 58), 0.10, 0.75),
        ("tongue", (186, 92, 88), 0.25, 0.7),
    ):
        colour_SSC[parts[name]] = (np.array(paint) * (dark + light * deep))[parts[name]]
    edges = np.cumsum(TOOTH_WIDTHS)
    for name, gum_y in GUM_LINE.items():
        x, y, depth = position_SSD[parts[name]].T
        # Along the arch: sideways in front, backwards at the side.
        along = np.abs(x) + np.maximum(0.12 - depth, 0) * 0.8
        to_edge = np.abs(along[:, None] - np.concatenate([[0], edges])[None]).min(axis=1)
        teeth = (np.array(ENAMEL) * np.array(look.teeth))[None]
        teeth = teeth + (1 - _step(0.002, 0.011, to_edge))[:, None] * 0.75 * (np.array(GAP) - teeth)
        # The gum reaches down between two teeth.
        scallop = 0.03 * np.cos(np.pi * np.clip(to_edge / 0.035, 0, 1))
        towards_gum = (y - gum_y) * (1 if name == "upper_teeth" else -1) + scallop
        teeth += _step(-0.01, 0.02, towards_gum)[:, None] * (np.array(GUM) - teeth)
        colour_SSC[parts[name]] = teeth * (0.25 + 0.75 * deep[parts[name]])


def paint_eye(
    colour_SSC: Float32,
    position_SSD: Float32,
    eye: NDArray[np.bool_],
    ball_VD: Float32,
    look: Look,
    fine: Float32,
) -> None:
    """Paint white, iris and pupil of one eye."""
    centre = (ball_VD.min(axis=0) + ball_VD.max(axis=0)) / 2
    offset = position_SSD[eye] - centre
    radius = np.hypot(offset[:, 0], offset[:, 1])
    front = offset[:, 2] > 0
    noise = fine[eye]
    paint = np.array((226, 220, 214), np.float32) * (1 + 0.015 * noise)[:, None]
    iris = np.array(look.iris, np.float32) * (1.1 + 0.15 * noise)[:, None] * (0.75 + 6.0 * radius[:, None])
    edge = _step(0.052, 0.066, radius) * (1 - _step(0.066, 0.072, radius)) * 0.7
    for amount, target in (
        (1 - _step(0.062, 0.068, radius), iris),
        (edge, np.array((24, 18, 16), np.float32)),
        (1 - _step(0.025, 0.030, radius), np.array((10, 8, 8), np.float32)),
    ):
        paint += (amount * front)[:, None] * (target - paint)
    colour_SSC[eye] = paint


def paint_lashes(colour_SSC: Float32, lashes: NDArray[np.bool_], look: Look) -> None:
    """Paint lashes: the darker, the stronger they are in the look."""
    dark = np.array((26, 20, 18), np.float32)
    colour_SSC[lashes] = dark + (1 - look.lashes) * 0.7 * (np.array(look.skin, np.float32) - dark)
