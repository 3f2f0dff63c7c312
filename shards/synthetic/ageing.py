"""Age in a face at rest: creases painted on the skin, and skin that sags.

Both follow the person's age alone and stand in every frame, so that a crease says nothing of an action unit.
Placed on the template by eye; this project's reconstruction.

Legend: S x S texels of the atlas, V vertices, D = 3. Lengths in decimetres, template coordinates.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.correctives import Bump
from shards.synthetic.head import load_head

Float32 = NDArray[np.float32]
Points = tuple[tuple[float, float], ...]

# Lines of the left side (x, y) and their half width; the right side is their mirror image.
CREASES: dict[str, tuple[float, tuple[Points, ...]]] = {
    "forehead": (0.012, (
        ((0.0, 0.43), (0.16, 0.45), (0.34, 0.42)), ((0.0, 0.52), (0.18, 0.54), (0.38, 0.50)),
        ((0.0, 0.61), (0.15, 0.63), (0.33, 0.60)),
    )),
    "glabella": (0.010, (((0.05, 0.10), (0.055, 0.19), (0.045, 0.26)),)),
    "crow": (0.008, (
        ((0.49, 0.01), (0.56, 0.05), (0.62, 0.07)), ((0.50, -0.02), (0.57, -0.02), (0.64, -0.03)),
        ((0.49, -0.05), (0.56, -0.09), (0.61, -0.13)),
    )),
    "under_eye": (0.012, (
        ((0.20, -0.10), (0.27, -0.15), (0.36, -0.155), (0.44, -0.11)),
        ((0.20, -0.13), (0.28, -0.21), (0.38, -0.23)),
    )),
    "nasolabial": (0.016, (((0.17, -0.40), (0.24, -0.48), (0.29, -0.57), (0.315, -0.66)),)),
    "marionette": (0.014, (((0.285, -0.70), (0.30, -0.78), (0.295, -0.86)),)),
}  # fmt: skip
# How early each shows: the age (years) at which it begins and the years until it is full.
ONSET_YEARS = {
    "forehead": (32, 35), "glabella": (36, 35), "crow": (38, 30), "under_eye": (26, 40),
    "nasolabial": (22, 40), "marionette": (45, 30),
}  # fmt: skip
SAG = (
    Bump(0.40, -0.84, 0.10, 0.09, (0.035, -0.035, 0.0)),
    Bump(0.32, -0.155, 0.10, 0.035, (0.0, -0.006, 0.016)),
    Bump(0.44, -0.46, 0.10, 0.12, (-0.012, 0.0, -0.035)),
    Bump(0.27, -0.55, 0.05, 0.08, (0.01, -0.012, 0.018), angle=0.4),
)
SAG_FROM, SAG_YEARS = 35.0, 45.0


def crease_strength(age: float, depth: float) -> dict[str, float]:
    """Return 0-1 for each crease of an `age` in years; `depth` (around 1) is how deep the person's are."""
    return {
        name: min(max((age - start) / years, 0.0), 1.0) * depth
        for name, (start, years) in ONSET_YEARS.items()
    }


def crease_map(position_SSD: Float32, skin_SS: NDArray[np.bool_], name: str) -> Float32:
    """Return how strongly a crease is seen on each texel, 0-1, (S, S)."""
    width, lines = CREASES[name]
    shown = np.zeros(skin_SS.shape, np.float32)
    near = skin_SS & (position_SSD[..., 2] > -0.25)
    place = np.stack([np.abs(position_SSD[near][:, 0]), position_SSD[near][:, 1]], axis=1)
    distance = np.full(len(place), 1.0)
    for line in lines:
        for start, end in zip(np.array(line[:-1]), np.array(line[1:]), strict=True):
            along = end - start
            share = np.clip((place - start) @ along / (along @ along), 0, 1)
            distance = np.minimum(distance, np.linalg.norm(place - start - share[:, None] * along, axis=1))
    shown[near] = np.exp(-((distance / width) ** 2))
    return shown


def sag(neutral_VD: Float32, age: float) -> None:
    """Let the skin of a person's neutral face sag in place."""
    amount = min(max((age - SAG_FROM) / SAG_YEARS, 0.0), 1.0)
    neutral_VD += np.float32(amount) * _sag_field()


@cache
def _sag_field() -> Float32:
    head = load_head()
    left, mirror = head.vertices_VD, np.array([-1, 1, 1], np.float32)
    field = sum((bump.displacement(left) for bump in SAG), np.zeros_like(left))
    field += sum((bump.displacement(left * mirror) * mirror for bump in SAG), np.zeros_like(left))
    still = np.ones(len(left), bool)
    still[head.vertices_of("head")] = False
    field[still | (left[:, 2] < -0.5)] = 0
    return field
