"""What a person wears: hairstyle, headwear and glasses, and the paint of these."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.glasses import Glasses, draw_glasses, glasses_pieces
from shards.synthetic.hair import hair_pieces
from shards.synthetic.headwear import headwear_pieces
from shards.synthetic.look import Look
from shards.synthetic.pieces import STRIP_HEIGHT, SWATCHES, Piece

STYLES_OF_WOMEN = {"long": 0.34, "bob": 0.24, "bun": 0.14, "curls": 0.14, "short": 0.14}
STYLES_OF_MEN = {"short": 0.70, "curls": 0.14, "long": 0.08, "bob": 0.05, "bun": 0.03}
HEADWEAR_SHARE, GLASSES_SHARE = 0.16, 0.28
FRAME_COLOURS = ((22, 20, 22), (70, 44, 28), (120, 118, 122), (34, 40, 74), (104, 24, 30))
# Under headwear these would stick out.
HIDDEN_BY_HEADWEAR = ("curls", "bun")


@dataclass(frozen=True)
class Wardrobe:
    """A style of `hair`, one of `headwear` or "", glasses or None; lengths as these modules take them."""

    hair: str
    hair_length: float
    fringe: float
    headwear: str
    headwear_low: float
    headwear_colour: tuple[float, float, float]
    headwear_stripes: float
    glasses: Glasses | None
    frame_colour: tuple[float, float, float]


def draw_wardrobe(random: np.random.Generator, look: Look, female: float) -> Wardrobe:
    """Draw what a person wears, the same in all of the person's videos."""
    styles = STYLES_OF_WOMEN if random.random() < female else STYLES_OF_MEN
    hair = str(random.choice(list(styles), p=list(styles.values())))
    if look.bald or look.receding:
        hair = "bald" if look.bald else "receding"
    headwear = ""
    if random.random() < HEADWEAR_SHARE:
        headwear = str(random.choice(["cap", "beanie", "scarf"], p=[0.4, 0.35, 0.25]))
        headwear = "beanie" if headwear == "scarf" and female < 0.5 else headwear
    if headwear == "scarf" or (headwear and hair in HIDDEN_BY_HEADWEAR):
        hair = "short"
    hue = np.array([[[random.integers(180), random.integers(10, 190), random.integers(30, 225)]]], np.uint8)
    cloth = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0]
    frame = random.choice(
        np.array([(22, 20, 22), (70, 44, 28), (120, 118, 122), (34, 40, 74), (104, 24, 30)])
    )
    return Wardrobe(
        hair=hair,
        hair_length=float(random.uniform(0, 1)),
        fringe=float(random.choice((0.0, 0.05, 0.22), p=(0.5, 0.3, 0.2))),
        headwear=headwear,
        headwear_low=float(random.uniform(0, 1)),
        headwear_colour=(float(cloth[0]), float(cloth[1]), float(cloth[2])),
        headwear_stripes=float(random.choice((0.0, 0.25), p=(0.7, 0.3))),
        glasses=draw_glasses(random) if random.random() < GLASSES_SHARE else None,
        frame_colour=(float(frame[0]), float(frame[1]), float(frame[2])),
    )


def wardrobe_pieces(wardrobe: Wardrobe, random: np.random.Generator) -> list[Piece]:
    """Make all pieces of a wardrobe on the template; `random` is for uneven strands."""
    pieces = hair_pieces(wardrobe.hair, wardrobe.hair_length, wardrobe.fringe, random)
    if wardrobe.headwear:
        pieces += headwear_pieces(wardrobe.headwear, wardrobe.headwear_low)
    if wardrobe.glasses:
        pieces += glasses_pieces(wardrobe.glasses)
    return pieces


def paint_strip(wardrobe: Wardrobe, look: Look, random: np.random.Generator, width: int) -> NDArray[np.uint8]:
    """Paint the swatches of hair, cloth and frame: (STRIP_HEIGHT, width, 3) uint8 RGB."""
    strip = np.zeros((STRIP_HEIGHT, width, 3), np.float32)

    def fill(swatch: str, colour: tuple[float, float, float], grain: tuple[int, int], amount: float) -> None:
        x, y, wide, high = SWATCHES[swatch]
        small = random.standard_normal((max(high // grain[0], 1), wide // grain[1])).astype(np.float32)
        noise = cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR)
        strip[y : y + high, x : x + wide] = np.array(colour) * (1 + amount * noise[..., None])

    curly = wardrobe.hair == "curls"
    fill("hair", look.hair, (5, 3) if curly else (46, 1), 0.3 if curly else 0.2)
    fill("cloth", wardrobe.headwear_colour, (2, 2), 0.06)
    fill("frame", wardrobe.frame_colour, (8, 8), 0.04)
    x, y, wide, high = SWATCHES["cloth"]
    bands = (np.arange(high) // 11 % 2).astype(np.float32)[:, None, None]
    strip[y : y + high, x : x + wide] *= 1 - wardrobe.headwear_stripes * bands
    return np.asarray(np.clip(strip, 0, 255), dtype=np.uint8)
