"""From action units to the expression units of the head, and the sets of action units this project names.

A coefficient is intensity / 5 times the weight below: intensity 5 is the largest movement drawn, for every
person alike. Labels are these intensities, not a human coder's reading (this project's reconstruction).

Legend: T frames, A action units, K expression units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DISFA_ACTION_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
MAX_INTENSITY = 5.0
# Names without a side stand for the left and the right unit.
UNIT_WEIGHTS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.7},
    2: {"browOuterUp": 1.3},
    4: {"browDown": 1.2, "browFurrow": 1.0},
    5: {"eyeWide": 1.5},
    6: {"cheekSquint": 1.0, "eyeSquint": 0.45, "cheekBulge": 1.0},
    7: {"eyeSquint": 1.5},
    9: {"noseSneer": 1.5, "browDown": -0.4, "wingUp": 0.9, "noseRidges": 0.9, "mouthUpperUp": 0.4},
    10: {"mouthUpperUp": 1.15, "wingUp": 0.35},
    12: {"mouthSmile": 1.0, "lipsMiddleDown": 1.0},
    14: {"mouthDimple": 0.7, "cornerPit": 1.1},
    15: {"mouthFrown": 1.6},
    17: {"mouthShrugLower": 1.3, "mouthShrugUpper": 0.4, "chinBoss": 1.0},
    20: {"mouthStretch": 1.1, "cornerOut": 0.7},
    23: {"mouthRollUpper": 0.5, "mouthRollLower": 0.6, "cornerIn": 0.6},
    24: {"mouthRollUpper": 1.2, "mouthRollLower": 1.2, "mouthPress": 0.2, "lipsBulge": 1.0},
    25: {"mouthLowerDown": 1.2, "mouthUpperUp": 0.5, "jawOpen": 0.06},
    26: {"jawOpen": 0.5},
    43: {"eyeBlink": 1.0},
    45: {"eyeBlink": 1.0},
}
ACTION_UNITS = tuple(UNIT_WEIGHTS)
SIDES = ("Left", "Right")


@dataclass(frozen=True)
class Performance:
    """What one face does: the true intensities and everything that is not labelled.

    `intensity_TA` is 0-5; `imbalance_TA` (left against right) is -1 to 1; `nuisance` maps names of expression
    units (without a side: both) to coefficients (T,).
    """

    intensity_TA: NDArray[np.float32]
    imbalance_TA: NDArray[np.float32]
    nuisance: Mapping[str, NDArray[np.float32]]


def unit_matrix(unit_names: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights of each action unit on the left-hand and the right-hand units, both (A, K).

    A unit without a side counts half in each, so that the sum of both sides is the full movement.
    """
    left, right = (np.zeros((len(ACTION_UNITS), len(unit_names)), np.float32) for _ in SIDES)
    for row, weights in enumerate(UNIT_WEIGHTS.values()):
        for stem, weight in weights.items():
            if stem in unit_names:
                left[row, unit_names.index(stem)] = right[row, unit_names.index(stem)] = weight / 2
                continue
            left[row, unit_names.index(stem + "Left")] = weight
            right[row, unit_names.index(stem + "Right")] = weight
    return left, right


def unit_coefficients(performance: Performance, unit_names: Sequence[str]) -> NDArray[np.float32]:
    """Turn a performance into expression coefficients (T, K) for the K units `unit_names`.

    The left side moves by (1 + imbalance) times the intensity and the right by (1 - imbalance), so that the
    mean is the label.
    """
    left_AK, right_AK = unit_matrix(unit_names)
    strength_TA = performance.intensity_TA / np.float32(MAX_INTENSITY)
    imbalance_TA = performance.imbalance_TA
    units_TK = (strength_TA * (1 + imbalance_TA)) @ left_AK + (strength_TA * (1 - imbalance_TA)) @ right_AK
    for name, curve_T in performance.nuisance.items():
        for unit in [name] if name in unit_names else [name + side for side in SIDES]:
            units_TK[:, unit_names.index(unit)] += curve_T
    for side in SIDES:
        # A closed lid cannot be widened or squinted further; without this the lids of a blink cross.
        closed_T = np.minimum(units_TK[:, unit_names.index("eyeBlink" + side)], 1.0)
        units_TK[:, unit_names.index("eyeBlink" + side)] = closed_T
        for stem in ("eyeWide", "eyeSquint", "cheekSquint"):
            units_TK[:, unit_names.index(stem + side)] *= 1.0 - (1.0 if stem == "eyeWide" else 0.7) * closed_T
    return np.asarray(units_TK, dtype=np.float32)
