"""Painting a person's texture atlas: skin, brows, lips, lids, eyes, teeth, hair and clothes.

Everything is painted where it lies on the template head (a position in decimetres for each texel), so that no
picture has to be shipped and paint moves with the skin. Colours are RGB in 0-255.

Legend: S x S texels of the atlas, D = 3 (x, y, z), C = 3 colours, V vertices.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.ageing import crease_map, crease_strength
from shards.synthetic.head import Head, load_head
from shards.synthetic.look import Look
from shards.synthetic.openings import paint_eye, paint_lashes, paint_mouth
from shards.synthetic.rasterise import fill_attributes

ATLAS_SIZE = 512
# The head's rectangle of the atlas, as `rebuild_head.PATCHES` lays it out.
HEAD_WIDTH = 0.62
# Measured on the template: a brow from nose to temple (x, y), the hairline's height by angle around the head.
BROW_X, BROW_Y = (0.10, 0.20, 0.34, 0.46, 0.56), (0.175, 0.205, 0.232, 0.215, 0.16)
HAIRLINE_ANGLE, HAIRLINE_Y = (
    (0.0, 0.45, 0.75, 1.0, 1.25, 1.6, 2.0, 2.5, 3.15),
    (0.80, 0.83, 0.72, 0.35, -0.1, -0.2, -0.35, -0.85, -1.0),
)
HEAD_CENTRE_Z = -0.75

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Atlas:
    """What is known of each texel: template position, part (-1 where nothing lies), and the masks as 0-1."""

    position_SSD: Float32
    part_SS: NDArray[np.int32]
    lips_SS: Float32
    ears_SS: Float32
    lid_margin_SS: Float32


@cache
def load_atlas() -> Atlas:
    """Project the template onto the atlas (about a tenth of a second, once per process)."""
    head = load_head()
    position = np.zeros((ATLAS_SIZE, ATLAS_SIZE, 3), np.float32)
    part = np.full((ATLAS_SIZE, ATLAS_SIZE), -1, np.int32)
    corners = (head.texture_U2[head.texture_triangles_T3].reshape(-1, 2) * atlas_scale()).astype(np.float32)
    owner_T = head.part_T.astype(np.int32)
    fill_attributes(corners, head.triangles_T3, head.vertices_VD, owner_T, position, part)

    def placed(mask: NDArray[np.uint8]) -> Float32:
        full = np.zeros((ATLAS_SIZE, ATLAS_SIZE), np.float32)
        width = round(HEAD_WIDTH * ATLAS_SIZE)
        full[:, :width] = cv2.resize(mask, (width, ATLAS_SIZE), interpolation=cv2.INTER_LINEAR) / np.float32(
            255
        )
        return full

    margin = np.intersect1d(head.vertices_of("head"), head.vertices_of("socket_left", "socket_right"))
    return Atlas(
        position,
        part,
        placed(head.lips_mask),
        placed(head.ears_mask),
        _distance_to(head, margin, position, part),
    )


def atlas_scale() -> float:
    """Texels per unit of the layout; the last row and column stay free for bilinear reading."""
    return float(ATLAS_SIZE - 2)


def _distance_to(
    head: Head, vertices: NDArray[np.int64], position_SSD: Float32, part_SS: NDArray[np.int32]
) -> Float32:
    """Return the distance of the skin texels near the eyes from the nearest of `vertices`, elsewhere 1."""
    distance = np.ones(part_SS.shape, np.float32)
    x, y, z = np.moveaxis(position_SSD, -1, 0)
    near = (part_SS == head.part_names.index("head")) & (np.abs(y) < 0.2) & (np.abs(x) < 0.6) & (z > -0.2)
    offset = position_SSD[near][:, None] - head.vertices_VD[vertices][None]
    distance[near] = np.sqrt((offset**2).sum(axis=-1).min(axis=1))
    return distance


def smooth_step(low: float, high: float, value: Float32) -> Float32:
    """Return 0 below `low`, 1 above `high` and a cubic between; `low` may be the larger one."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def above_hairline(position_D: Float32, look: Look) -> Float32:
    """Return how far template positions (..., 3) lie above the hairline, in decimetres; -1 by the ears."""
    x, y, z = np.moveaxis(position_D, -1, 0)
    angle = np.abs(np.arctan2(x, z - HEAD_CENTRE_Z))
    lifted = np.array(HAIRLINE_Y) + look.hairline_lift
    lifted = lifted + look.receding * np.array([0.3, 1.0, 1.0, 0.5, 0.1, 0, 0, 0, 0])
    if look.bald:
        lifted = lifted + np.array([1.5, 1.5, 1.2, 0.9, 0.9, 0.7, 0.6, 0.5, 0.4])
    above = (y - np.interp(angle, HAIRLINE_ANGLE, lifted)).astype(np.float32)
    beside_ear = (np.abs(x) > 0.74) & (y < 0.08) & (y > -0.6) & (z > -1.35)
    return np.asarray(np.where(beside_ear, -1.0, above), dtype=np.float32)


@cache
def _crease(name: str) -> Float32:
    atlas = load_atlas()
    return crease_map(atlas.position_SSD, atlas.part_SS == load_head().part_names.index("head"), name)


def paint_atlas(look: Look) -> NDArray[np.uint8]:
    """Return the person's texture (S, S, 3) uint8 RGB."""
    head, atlas = load_head(), load_atlas()
    random = np.random.default_rng(look.texture_seed)
    fine, coarse, streaks = (_noise(random, grain) for grain in ((1, 1), (24, 24), (2, 14)))
    colour = _paint_skin(atlas, look, random, fine, coarse)
    _paint_hair(colour, atlas, look, fine, streaks)
    parts = {name: atlas.part_SS == i for i, name in enumerate(head.part_names)}
    x, y, z = np.moveaxis(atlas.position_SSD, -1, 0)
    neckline = look.neckline + 0.45 * np.minimum(np.abs(x), 0.9) - 0.35 * (z + 0.6)
    dressed = parts["cloth"] & (y < neckline)
    colour[dressed] = np.array(look.cloth) * (1 + 0.08 * fine[dressed] + 0.06 * streaks[dressed])[:, None]
    paint_mouth(colour, atlas.position_SSD, parts, look)
    for side in ("left", "right"):
        colour[parts[f"socket_{side}"]] = np.array(look.skin) * (0.72, 0.5, 0.46)
        ball = head.vertices_VD[head.vertices_of(f"eye_{side}")]
        paint_eye(colour, atlas.position_SSD, parts[f"eye_{side}"], ball, look, fine)
    paint_lashes(colour, parts["lashes"], look)
    return np.asarray(np.clip(colour, 0, 255).astype(np.uint8))


def _noise(random: np.random.Generator, grain: tuple[int, int]) -> Float32:
    small = random.standard_normal((ATLAS_SIZE // grain[0], ATLAS_SIZE // grain[1])).astype(np.float32)
    return np.asarray(
        cv2.resize(small, (ATLAS_SIZE, ATLAS_SIZE), interpolation=cv2.INTER_CUBIC), dtype=np.float32
    )


def _blend(colour_SSC: Float32, paint: tuple[float, ...] | NDArray[np.floating], amount_SS: Float32) -> None:
    colour_SSC += amount_SS[..., None] * (np.asarray(paint, dtype=np.float32) - colour_SSC)


def _paint_skin(
    atlas: Atlas, look: Look, random: np.random.Generator, fine: Float32, coarse: Float32
) -> Float32:
    x, y, z = np.moveaxis(atlas.position_SSD, -1, 0)
    side = np.abs(x)
    skin = np.array(look.skin, dtype=np.float32)
    colour = np.ones((ATLAS_SIZE, ATLAS_SIZE, 3), np.float32) * skin
    colour *= (1 + 0.022 * fine + 0.035 * coarse)[..., None]
    red = skin * np.array((1.0, 0.74, 0.74), dtype=np.float32)
    cheeks = np.exp(-(((side - 0.4) / 0.2) ** 2) - ((y + 0.4) / 0.17) ** 2) * (z > 0)
    nose = np.exp(-((x / 0.14) ** 2) - ((y + 0.38) / 0.12) ** 2) * (z > 0.2)
    _blend(colour, red, (look.blush * (cheeks + 0.7 * nose) * 0.8).astype(np.float32))
    under_eye = np.exp(-(((side - 0.3) / 0.14) ** 2) - ((y + 0.13) / 0.05) ** 2) * (z > 0)
    _blend(colour, skin * (0.8, 0.72, 0.74), (0.45 * under_eye).astype(np.float32))
    if look.freckles:
        spots = smooth_step(
            1.5,
            2.2,
            cv2.GaussianBlur(random.standard_normal(fine.shape).astype(np.float32), (0, 0), 1.0) * 3.4,
        )
        _blend(
            colour,
            skin * (0.72, 0.6, 0.52),
            spots * look.freckles * np.exp(-(((y + 0.25) / 0.3) ** 2)).astype(np.float32),
        )
    uneven = np.clip(0.75 + 0.35 * coarse, 0.1, 1.2)
    for name, strength in crease_strength(look.age, look.crease_depth).items():
        if strength:
            _blend(colour, skin * (0.62, 0.5, 0.46), 0.42 * np.float32(strength) * _crease(name) * uneven)
    lip = skin * np.array((0.88, 0.52, 0.52), dtype=np.float32) + np.array((22, 0, 6), dtype=np.float32)
    _blend(colour, lip, atlas.lips_SS * np.float32(look.lips_colour))
    lid = smooth_step(0.07, 0.02, atlas.lid_margin_SS) * (y > -0.02)
    _blend(colour, skin * (0.72, 0.58, 0.56), 0.5 * lid)
    _blend(
        colour,
        (30, 22, 20),
        0.85 * smooth_step(0.024, 0.008, atlas.lid_margin_SS) * (0.45 + 0.55 * (y > 0.0)),
    )
    return colour


def _paint_hair(colour: Float32, atlas: Atlas, look: Look, fine: Float32, streaks: Float32) -> None:
    x, y, z = np.moveaxis(atlas.position_SSD, -1, 0)
    side = np.abs(x)
    skin_part = np.isin(atlas.part_SS, [load_head().part_names.index(name) for name in ("head", "cloth")])
    strands = np.array(look.hair, dtype=np.float32) * (1 + 0.1 * fine + 0.16 * streaks)[..., None]
    lift = np.abs(y - np.interp(side, BROW_X, BROW_Y) - look.brow_lift).astype(np.float32)
    width = look.brow_width * np.interp(side, (0.08, 0.16, 0.4, 0.6), (0.7, 1.0, 0.85, 0.35)).astype(
        np.float32
    )
    ends = smooth_step(0.08, 0.13, side) * smooth_step(0.60, 0.53, side)
    brow = smooth_step(1.35, 0.6, lift / width + 0.18 * fine) * ends * (z > -0.3) * skin_part
    _blend(colour, strands * 0.8, brow * np.float32(look.brow_strength))
    if look.beard or look.stubble:
        jaw = smooth_step(-0.55, -0.78, y - 0.55 * np.maximum(side - 0.25, 0))
        round_mouth = smooth_step(0.3, 0.22, side) * smooth_step(-0.49, -0.53, y)
        above_neck = smooth_step(-1.25, -1.1, y) * smooth_step(
            -0.3, -0.1, z + 0.9 * np.maximum(side - 0.2, 0)
        )
        beard = (
            np.maximum(jaw, round_mouth) * above_neck * (1 - np.clip(atlas.lips_SS * 1.4, 0, 1)) * skin_part
        )
        # Stubble is single hairs: it follows the finest noise; a beard covers.
        full = (look.beard * (0.8 + 0.25 * fine)).clip(0, 0.95)
        dots = (look.stubble * (0.45 + 0.5 * fine)).clip(0, 0.8)
        _blend(colour, strands * 0.85, (beard * np.maximum(full, dots)).astype(np.float32))
    above = above_hairline(atlas.position_SSD, look) + 0.03 * streaks
    amount = smooth_step(-0.03, 0.05, above) * (1 - smooth_step(0.2, 0.6, atlas.ears_SS)) * skin_part
    _blend(colour, strands, (amount * (1.0 if not look.bald else 0.8)).astype(np.float32))
