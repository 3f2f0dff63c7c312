"""A made-up person: the shape of the head, and the look, both from one number.

Legend: V vertices, D = 3, K targets, S x S texels.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.ageing import sag
from shards.synthetic.appearance import ATLAS_SIZE, above_hairline, paint_atlas, smooth_step
from shards.synthetic.geometry import vertex_normals
from shards.synthetic.glasses import Lenses, lenses_of
from shards.synthetic.hair import PAINTED_STYLES
from shards.synthetic.head import load_head
from shards.synthetic.look import Look, draw_look
from shards.synthetic.pieces import Worn, wear
from shards.synthetic.wardrobe import Wardrobe, draw_wardrobe, paint_strip, wardrobe_pieces

# Few shapes at moderate strength: many make heads that nobody has, and lids that do not meet in a blink.
SHAPES_VARIED, SHAPE_STRENGTH = 16, 0.45
SHAPE_LIMITS = {
    "head-scale-vert": 0.25, "head-fat": 0.35, "head-square": 0.5, "forehead": 0.3, "chin-height": 0.4,
    "eyebrows-trans-forward": 0.3, "nose-point-down": 0.3, "nose-scale-depth": 0.4, "eye-trans": 0.5,
    "eye-height": 0.35, "eye-scale": 0.6, "ear-wing": 0.4,
}  # fmt: skip
# Painted hair under a shell or a cap must not push through it.
HIDDEN_HAIR_VOLUME = 0.03
RACES, SEXES, WEIGHTS = ("african", "asian", "caucasian"), ("female", "male"), ("min", "max")


@dataclass(frozen=True)
class Person:
    """Shape, paint and what is worn.

    `neutral_VD` in decimetres (origin between the eyes); `atlas_HWC` uint8 RGB: the square atlas of the
    head and below it the strip for what is worn.
    """

    seed: int
    neutral_VD: NDArray[np.float32]
    atlas_HWC: NDArray[np.uint8]
    look: Look
    wardrobe: Wardrobe
    worn: Worn
    lenses: Lenses | None


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
    wardrobe = draw_wardrobe(random, look, female)
    thickness = smooth_step(0.0, 0.3, above_hairline(head.vertices_VD, look)) * skin
    volume = look.hair_volume * (0.1 if look.bald else 1.0)
    if wardrobe.headwear or wardrobe.hair not in PAINTED_STYLES:
        volume = min(volume, HIDDEN_HAIR_VOLUME)
    bare = vertices.copy()
    vertices += (thickness * np.float32(volume))[:, None] * normals
    sag(vertices, look.age)
    worn = wear(wardrobe_pieces(wardrobe, random), head, bare, ATLAS_SIZE)
    atlas = np.concatenate([paint_atlas(look), paint_strip(wardrobe, look, random, ATLAS_SIZE)])
    lenses = lenses_of(wardrobe.glasses, head, bare) if wardrobe.glasses else None
    return Person(seed, vertices, atlas, look, wardrobe, worn, lenses)


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
