"""What a person is coloured like: skin, hair, eyes, clothes. Colours are RGB in 0-255."""

from dataclasses import dataclass

import cv2
import numpy as np

SKIN_TONES = ((246, 206, 182), (236, 188, 160), (222, 170, 134), (190, 134, 98), (146, 98, 70), (96, 64, 48))
HAIR_TONES = (
    (28, 22, 20),
    (48, 34, 26),
    (84, 56, 36),
    (134, 92, 52),
    (184, 144, 92),
    (128, 62, 34),
    (150, 148, 146),
)
IRIS_TONES = ((58, 38, 24), (82, 54, 32), (96, 84, 48), (74, 104, 92), (88, 122, 150), (108, 116, 122))


@dataclass(frozen=True)
class Look:
    """What a person's colours and paint are drawn from; lengths in decimetres, strengths 0 to 1.

    `age` is in years; `teeth` is a factor per colour; `receding` lifts the hairline at the temples.
    """

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    cloth: tuple[float, float, float]
    lips_colour: float
    blush: float
    freckles: float
    beard: float
    bald: float
    brow_width: float
    brow_strength: float
    brow_lift: float
    hairline_lift: float
    hair_volume: float
    neckline: float
    age: float
    crease_depth: float
    receding: float
    stubble: float
    teeth: tuple[float, float, float]
    lashes: float
    texture_seed: int


def draw_look(random: np.random.Generator, female: float) -> Look:
    """Draw a look. `female` in 0-1 shifts beard, hair and brows; independent of every other person's."""

    def tone(tones: tuple[tuple[int, int, int], ...], at: float) -> tuple[float, float, float]:
        palette = np.array(tones, dtype=np.float64)
        colour = np.array(
            [np.interp(at * (len(tones) - 1), np.arange(len(tones)), palette[:, k]) for k in range(3)]
        )
        warmth = random.normal(0.0, 0.025)  # one number: three free ones turn skin green
        shifted = np.clip(colour * (1 + warmth, 1.0, 1 - warmth), 8, 255)
        return float(shifted[0]), float(shifted[1]), float(shifted[2])

    darkness = random.uniform(0, 1)
    fair = darkness < 0.5
    age = float(random.uniform(18, 80))
    hair = np.array(tone(HAIR_TONES[:-1], random.uniform(0, 1.0 if fair else 0.25)))
    grey = float(np.clip((age - random.uniform(38, 70)) / 20, 0, 1))
    hair += grey * (np.array(HAIR_TONES[-1]) * random.uniform(0.8, 1.3) - hair)
    bald = random.random() < (0.06 + 0.12 * (age > 45)) * (1 - female)
    recedes = age > 30 and random.random() < 0.3 * (1 - female)
    stain = random.uniform(0, 0.25)
    hue_saturation_value = np.array(
        [random.integers(180), random.integers(20, 170), random.integers(40, 220)]
    )
    cloth = cv2.cvtColor(hue_saturation_value.astype(np.uint8)[None, None], cv2.COLOR_HSV2RGB)[0, 0]
    return Look(
        skin=tone(SKIN_TONES, darkness),
        hair=(float(hair[0]), float(hair[1]), float(hair[2])),
        iris=tone(IRIS_TONES, random.uniform(0, 1.0 if fair else 0.3)),
        cloth=(float(cloth[0]), float(cloth[1]), float(cloth[2])),
        lips_colour=float(random.uniform(0.35, 0.75) + 0.2 * female),
        blush=float(random.uniform(0.1, 0.6)),
        freckles=float(random.uniform(0.2, 1.0)) if fair and random.random() < 0.25 else 0.0,
        beard=float(random.uniform(0.15, 0.9)) if random.random() < 0.55 * (1 - female) else 0.0,
        bald=1.0 if bald else 0.0,
        brow_width=float(random.uniform(0.032, 0.052) - 0.010 * female),
        brow_strength=float(random.uniform(0.65, 0.95)),
        brow_lift=float(random.normal(0.0, 0.012)),
        hairline_lift=float(random.normal(0.0, 0.06)),
        hair_volume=float(random.uniform(0.05, 0.22)),
        neckline=float(random.uniform(-2.0, -1.6)),
        age=age,
        crease_depth=float(random.uniform(0.6, 1.2)),
        receding=float(random.uniform(0.1, 0.35)) if recedes else 0.0,
        stubble=float(random.uniform(0.15, 0.6)) if random.random() < 0.4 * (1 - female) else 0.0,
        teeth=(1.0 - 0.25 * stain, 1.0 - 0.4 * stain, 1.0 - stain),
        lashes=float(random.uniform(0.35, 0.75) + 0.25 * female),
        texture_seed=int(random.integers(2**31)),
    )
