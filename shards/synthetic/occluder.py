"""Things that pass before a face for a part of a video: a hand, a microphone, a strand of hair.

Legend: T frames, S x S pixels of a sprite, H x W pixels of the picture, C = 3 colours, A = 4 (RGB, opacity).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

KINDS = ("hand", "microphone", "strand")
SCENE_SHARE = 0.3
# Where each rests, in picture shares from the middle of the face: beside or below what labels need most.
REST = {"hand": (0.15, 0.17), "microphone": (0.08, 0.30), "strand": (0.14, -0.02)}
SIZE = {"hand": 0.30, "microphone": 0.26, "strand": 0.62}
SLIDE_SECONDS = 0.6

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Occluder:
    """A kind of KINDS and its middle in each frame, `place_T2` in picture shares; NaN where it is away."""

    kind: str
    place_T2: Float32
    turn: float
    seed: int


def draw_occluder(random: np.random.Generator, time_seconds_T: NDArray[np.floating]) -> Occluder | None:
    """Draw what passes, or None for most scenes; it stays for 15 to 45 % of the video."""
    if random.random() >= SCENE_SHARE:
        return None
    kind, side = str(random.choice(KINDS)), float(random.choice((-1.0, 1.0)))
    length = float(time_seconds_T[-1]) if len(time_seconds_T) else 0.0
    stay = random.uniform(0.15, 0.45) * length
    start = random.uniform(0, max(length - stay, 0.0))
    slide = max(min(SLIDE_SECONDS, stay / 4), 1e-3)  # a short video still shows it at rest
    shown = np.clip((time_seconds_T - start) / slide, 0, 1)
    shown = shown * np.clip((start + stay - time_seconds_T) / slide, 0, 1)
    shown = shown * shown * (3 - 2 * shown)
    rest = np.array(REST[kind]) + random.normal(0, 0.025, 2)
    away = np.array([0.75, 0.3]) if kind == "strand" else np.array([0.3, 0.85])
    sway = 0.008 * np.sin(2 * np.pi * random.uniform(0.2, 0.8, 2) * time_seconds_T[:, None])
    place = (0.5, 0.5) + (rest + (1 - shown[:, None]) * away + sway) * (side, 1.0)
    place[shown <= 0] = np.nan
    return Occluder(
        kind, place.astype(np.float32), float(random.normal(0, 0.25) * side), int(random.integers(2**31))
    )


def paint_sprite(
    occluder: Occluder, skin: tuple[float, ...], hair: tuple[float, ...], pixels: int
) -> NDArray[np.uint8]:
    """Paint the thing as (S, S, 4) uint8 for pictures of `pixels` pixels."""
    size = round(SIZE[occluder.kind] * pixels)
    random = np.random.default_rng(occluder.seed)
    cover = np.zeros((size, size), np.uint8)

    def stroke(points: NDArray[np.floating], width: float) -> None:
        path = np.rint(np.asarray(points) * size * 16).astype(np.int32)[:, None]
        cv2.polylines(cover, [path], False, 255, max(1, round(width * size)), cv2.LINE_AA, 4)

    if occluder.kind == "hand":
        stroke(np.array([[0.5, 0.62], [0.52, 1.2]]), 0.34)
        for number, tip in enumerate(((0.2, 0.12), (0.37, 0.04), (0.54, 0.05), (0.7, 0.14))):
            stroke(np.array([[0.38 + 0.09 * number, 0.6], tip]), 0.105)
        stroke(np.array([[0.42, 0.75], [0.16, 0.5]]), 0.11)
        colour, depth = np.array(skin) * 0.92, 0.05
    elif occluder.kind == "microphone":
        stroke(np.array([[0.5, 0.3], [0.55, 1.1]]), 0.14)
        stroke(np.array([[0.5, 0.22], [0.5, 0.24]]), 0.36)
        colour, depth = np.full(3, random.uniform(30, 80)), 0.16
    else:
        for _ in range(5):
            x, bend = random.uniform(0.44, 0.56), random.normal(0, 0.05)
            stroke(np.array([[x, 0.0], [x + bend, 0.35], [x + 1.6 * bend, 0.7], [x + bend, 1.0]]), 0.012)
        colour, depth = np.array(hair) * 0.9, 0.01
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), np.degrees(occluder.turn), 1.0)
    cover = np.asarray(cv2.warpAffine(cover, turn, (size, size)), np.uint8)
    # Round things are darker towards their edges.
    inward = cv2.distanceTransform(np.where(cover > 127, 255, 0).astype(np.uint8), cv2.DIST_L2, 3)
    light = 0.62 + 0.38 * np.sqrt(np.clip(inward / (depth * size), 0, 1))
    light = light * (1 + 0.03 * random.standard_normal(light.shape))
    painted = np.clip(colour * light[..., None], 0, 255)
    return np.asarray(np.concatenate([painted, cover[..., None]], axis=-1), dtype=np.uint8)


def lay_over(picture_HWC: NDArray[np.uint8], sprite_SSA: NDArray[np.uint8], place_2: Float32) -> None:
    """Draw the sprite in place with its middle at `place_2` (picture shares); nothing where that is NaN."""
    if np.isnan(place_2).any():
        return
    height, width = picture_HWC.shape[:2]
    size = len(sprite_SSA)
    left, top = round(float(place_2[0]) * width - size / 2), round(float(place_2[1]) * height - size / 2)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + size, width), min(top + size, height)
    if x0 >= x1 or y0 >= y1:
        return
    sprite = sprite_SSA[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    under = picture_HWC[y0:y1, x0:x1]
    opacity = sprite[..., 3:] / 255
    picture_HWC[y0:y1, x0:x1] = (under + opacity * (sprite[..., :3] - under)).astype(np.uint8)
