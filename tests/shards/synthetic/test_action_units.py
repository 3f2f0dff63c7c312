import numpy as np
import pytest

from shards.synthetic.action_units import (
    ACTION_UNITS,
    DISFA_ACTION_UNITS,
    UNIT_WEIGHTS,
    Performance,
    unit_coefficients,
    unit_matrix,
)
from shards.synthetic.head import load_head

NAMES = load_head().expressions.names


def performance(intensities: dict[int, float], imbalance: float = 0.0) -> Performance:
    intensity_TA = np.zeros((1, len(ACTION_UNITS)), np.float32)
    for unit, value in intensities.items():
        intensity_TA[0, ACTION_UNITS.index(unit)] = value
    return Performance(intensity_TA, np.full_like(intensity_TA, imbalance), {})


def test_every_disfa_unit_is_drawn_and_every_weight_names_a_unit_of_the_head() -> None:
    assert set(DISFA_ACTION_UNITS) <= set(ACTION_UNITS)
    left, right = unit_matrix(NAMES)
    for row, unit in enumerate(ACTION_UNITS):
        both = (left + right)[row]
        sided = sum(weight * (1 if stem in NAMES else 2) for stem, weight in UNIT_WEIGHTS[unit].items())
        assert both.sum() == pytest.approx(sided, rel=1e-5)


def test_no_two_disfa_units_have_the_same_movement() -> None:
    left, right = unit_matrix(NAMES)
    rows = (left + right)[[ACTION_UNITS.index(unit) for unit in DISFA_ACTION_UNITS]]
    unit_rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = unit_rows @ unit_rows.T - np.eye(len(rows))
    assert likeness.max() < 0.5


def test_coefficients_are_proportional_to_intensity() -> None:
    two, four = (unit_coefficients(performance({12: value}), NAMES) for value in (2.0, 4.0))
    np.testing.assert_allclose(4 * two, 2 * four, rtol=1e-6)


def test_imbalance_moves_sides_apart_and_keeps_the_mean() -> None:
    even, uneven = (
        unit_coefficients(performance({12: 3.0}, imbalance), NAMES)[0] for imbalance in (0.0, 0.2)
    )
    left, right = NAMES.index("mouthSmileLeft"), NAMES.index("mouthSmileRight")
    assert uneven[left] > even[left] > uneven[right]
    assert uneven[left] + uneven[right] == pytest.approx(even[left] + even[right])


def test_a_blink_overrules_wide_eyes() -> None:
    blinking = unit_coefficients(performance({5: 5.0, 45: 5.0}), NAMES)[0]
    assert blinking[NAMES.index("eyeBlinkLeft")] == 1.0
    assert blinking[NAMES.index("eyeWideLeft")] == 0.0
