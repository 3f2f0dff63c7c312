"""What the writers of still pictures share: which class each picture has, and how its face looks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY, Performance
from shards.synthetic.expressions import STRENGTH_FROM, perform_still
from shards.synthetic.person import stable_seed

CONTEMPT = "contempt"
ONE_SIDED_FROM = 0.7
"""Least imbalance of a contemptuous corner of the mouth."""


def draw_classes(seed: int, names: Sequence[str], shares: Mapping[int, float]) -> list[int]:
    """A class for each picture, by its name; the first pictures show every class once."""
    numbers, weights = list(shares), np.array(list(shares.values()))
    found = []
    for place, name in enumerate(names):
        random = np.random.default_rng(stable_seed("class", seed, name))
        drawn = int(random.choice(numbers, p=weights / weights.sum()))
        found.append(numbers[place] if place < len(numbers) else drawn)
    return found


def perform_expression(random: np.random.Generator, expression: str) -> Performance:
    """Draw one frame of a face that shows `expression`.

    Contempt is AU 14 on one side of an otherwise quiet face, as EMFACS has it.
    """
    if expression != CONTEMPT:
        return perform_still(random, expression)
    quiet = perform_still(random, "neutral")
    intensity_TA, imbalance_TA = quiet.intensity_TA.copy(), quiet.imbalance_TA.copy()
    column = ACTION_UNITS.index(14)
    intensity_TA[0, column] = random.uniform(STRENGTH_FROM, MAX_INTENSITY)
    imbalance_TA[0, column] = random.choice([-1, 1]) * random.uniform(ONE_SIDED_FROM, 1)
    return replace(quiet, intensity_TA=intensity_TA, imbalance_TA=imbalance_TA)
