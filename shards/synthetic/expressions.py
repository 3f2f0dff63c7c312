"""A face at the height of an expression: prototypical combinations of action units, varied.

Each expression has a few variants; of a variant, some units always take part and others by chance, and
one strength drawn for the whole face sets all intensities, from a trace to the maximum. The combinations
follow common descriptions of prototypes (EMFACS and its kin); chances and rates are this project's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY, Performance


@dataclass(frozen=True)
class Variant:
    """Units that always take part, and units (AU, chance) that may."""

    always: tuple[int, ...]
    perhaps: tuple[tuple[int, float], ...] = ()


EXPRESSION_VARIANTS: Mapping[str, tuple[Variant, ...]] = {
    "surprise": (
        Variant((1, 2, 26), ((5, 0.7), (25, 0.9))),
        Variant((1, 2), ((5, 0.6), (25, 0.5))),
        Variant((5, 25, 26), ((1, 0.5), (2, 0.5))),
    ),
    "fear": (
        Variant((1, 2, 4, 5), ((20, 0.6), (25, 0.7), (26, 0.3))),
        Variant((1, 4, 20, 25), ((5, 0.6), (7, 0.3))),
        Variant((5, 20), ((1, 0.5), (25, 0.6), (26, 0.4))),
    ),
    "disgust": (
        Variant((9,), ((4, 0.5), (7, 0.4), (10, 0.4), (17, 0.4))),
        Variant((10,), ((4, 0.4), (15, 0.3), (17, 0.5), (25, 0.4), (9, 0.3))),
    ),
    "happiness": (
        Variant((6, 12), ((25, 0.6), (26, 0.3), (7, 0.2))),
        Variant((12,), ((25, 0.5), (14, 0.1))),
    ),
    "sadness": (
        Variant((1, 4, 15), ((17, 0.5), (7, 0.2))),
        Variant((15, 17), ((1, 0.4), (4, 0.4))),
        Variant((1, 4), ((7, 0.3), (43, 0.2))),
    ),
    "anger": (
        Variant((4, 7, 23), ((5, 0.4), (24, 0.4), (17, 0.4))),
        Variant((4, 24), ((7, 0.5), (17, 0.4), (5, 0.3))),
        Variant((4, 7, 10, 25), ((5, 0.4), (9, 0.2), (26, 0.4))),
    ),
    "neutral": (Variant(()),),
}
CONTEMPT = "contempt"
ONE_SIDED_FROM = 0.7
"""Least imbalance of a contemptuous corner of the mouth."""
STRENGTH_FROM = 1.5
"""Lowest strength of an apex; weaker ones would not have been called by the expression's name."""
STRAY_CHANCE, STRAY_MOST = 0.05, 1.5
"""Chance and highest intensity of a unit that does not belong to the expression."""


def perform_still(random: np.random.Generator, expression: str) -> Performance:
    """Draw one frame of a face at the height of `expression`: contempt, or one of `EXPRESSION_VARIANTS`.

    Contempt is AU 14 on one side of an otherwise quiet face, as EMFACS has it.
    """
    if expression != CONTEMPT:
        return _perform_variant(random, expression)
    quiet = _perform_variant(random, "neutral")
    intensity_TA, imbalance_TA = quiet.intensity_TA.copy(), quiet.imbalance_TA.copy()
    column = ACTION_UNITS.index(14)
    intensity_TA[0, column] = random.uniform(STRENGTH_FROM, MAX_INTENSITY)
    imbalance_TA[0, column] = random.choice([-1, 1]) * random.uniform(ONE_SIDED_FROM, 1)
    return replace(quiet, intensity_TA=intensity_TA, imbalance_TA=imbalance_TA)


def _perform_variant(random: np.random.Generator, expression: str) -> Performance:
    variants = EXPRESSION_VARIANTS[expression]
    variant = variants[int(random.integers(len(variants)))]
    strength = random.uniform(STRENGTH_FROM, MAX_INTENSITY)
    intensity_TA = np.zeros((1, len(ACTION_UNITS)), np.float32)
    for column in range(len(ACTION_UNITS)):
        if random.random() < STRAY_CHANCE:
            intensity_TA[0, column] = random.uniform(0, STRAY_MOST)
    for unit, chance in (*((unit, 1.0) for unit in variant.always), *variant.perhaps):
        if random.random() < chance:
            height = strength * random.uniform(0.65, 1.15)
            intensity_TA[0, ACTION_UNITS.index(unit)] = np.clip(height, 1.0, MAX_INTENSITY)
    imbalance_TA = random.normal(0, 0.12, intensity_TA.shape).clip(-1, 1).astype(np.float32)
    gaze = np.array([random.uniform(-0.3, 0.3)], np.float32)
    return Performance(intensity_TA, imbalance_TA, {"eyeLookDown": np.maximum(gaze, 0)})
