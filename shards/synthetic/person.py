"""A made-up person: the shape of the head, and the look, both from one number.

Legend: V vertices, D = 3, K targets, S x S texels.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.appearance import above_hairline, paint_atlas, smooth_step
from shards.synthetic.head import load_head
from shards.synthetic.look import Look, draw_look
from shards.synthetic.rasterise import vertex_normals

# Few shapes at moderate strength: many make heads that nobody has, and lids that do not meet in a blink.
SHAPES_VARIED, SHAPE_STRENGTH = 16, 0.45
SHAPE_LIMITS = {
    "head-scale-vert": 0.25, "head-fat": 0.35, "head-square": 0.5, "forehead": 0.3, "chin-height": 0.4,
    "eyebrows-trans-forward": 0.3, "nose-point-down": 0.3, "nose-scale-depth": 0.4, "eye-trans": 0.5,
    "eye-height": 0.35, "eye-scale": 0.6, "ear-wing": 0.4,
}  # fmt: skip
RACES, SEXES, WEIGHTS = ("african", "asian", "caucasian"), ("female", "male"), ("min", "max")


@dataclass(frozen=True)
class Person:
    """`neutral_VD` in decimetres (origin between the eyes), `atlas_SSC` uint8 RGB, and the look."""

    seed: int
    neutral_VD: NDArray[np.float32]
    atlas_SSC: NDArray[np.uint8]
    look: Look


def stable_seed(*parts: object) -> int:
    """Return a 63-bit number from the parts' text, the same on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


@lru_cache(maxsize=2)
def make_person(seed: int) -> Person:
    """Make the person of a seed."""
    random = np.random.default_rng(seed)
    head = load_head()
    female = float(np.clip(random.beta(0.5, 0.5), 0, 1))
    vertices = head.vertices_VD.copy()
    head.identities.add(vertices, _shape_weights(random, head.identities.names, female))
    eyes = head.vertices_of("eye_left", "eye_right")
    vertices -= vertices[eyes].mean(axis=0)
    look = draw_look(random, female)
    normals, area = np.zeros_like(vertices), np.zeros(len(vertices), np.float32)
    vertex_normals(vertices, head.triangles_T3, normals, area)
    skin = np.zeros(len(vertices), bool)
    skin[head.vertices_of("head")] = True
    # Hair grows thicker over a few centimetres from its line, or the forehead ends in a step.
    thickness = (
        smooth_step(0.0, 0.3, above_hairline(head.vertices_VD, look)) * skin * (0.1 if look.bald else 1.0)
    )
    vertices += (thickness * np.float32(look.hair_volume))[:, None] * normals
    return Person(seed, vertices, paint_atlas(look), look)


def _shape_weights(random: np.random.Generator, names: tuple[str, ...], female: float) -> NDArray[np.float64]:
    weights = np.zeros(len(names))
    local = [i for i, name in enumerate(names) if not name.startswith((*RACES, "universal"))]
    for i in random.choice(local, SHAPES_VARIED, replace=False):
        limit = next((limit for start, limit in SHAPE_LIMITS.items() if names[i].startswith(start)), 1.0)
        weights[i] = limit * min(abs(random.normal(0, SHAPE_STRENGTH)), 1.0)
    origin = random.dirichlet((0.6, 0.6, 0.6))
    body = random.uniform(-0.7, 0.7)
    for sex, share in zip(SEXES, (female, 1 - female), strict=True):
        for race, part in zip(RACES, origin, strict=True):
            weights[names.index(f"{race}-{sex}-young")] = share * part
        for weight, amount in zip(WEIGHTS, (max(-body, 0), max(body, 0)), strict=True):
            weights[names.index(f"universal-{sex}-young-averagemuscle-{weight}weight")] = share * amount
    return weights
