import numpy as np
import pytest

from shards.layouts.rafdb import EXPRESSIONS
from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY
from shards.synthetic.expressions import EXPRESSION_VARIANTS, perform_still


def stills(expression: str, count: int = 300) -> np.ndarray:
    """(count, A) intensities."""
    return np.concatenate(
        [perform_still(np.random.default_rng(seed), expression).intensity_TA for seed in range(count)]
    )


def test_every_class_has_its_variants() -> None:
    assert set(EXPRESSION_VARIANTS) == set(EXPRESSIONS.values())


@pytest.mark.parametrize("expression", EXPRESSION_VARIANTS)
def test_pictures_of_an_expression_vary(expression: str) -> None:
    found = stills(expression)
    assert found.min() >= 0
    assert found.max() <= MAX_INTENSITY
    patterns = {tuple(row) for row in (found >= 1).tolist()}
    assert len(patterns) > (1 if expression == "neutral" else 8)


def test_neutral_is_nearly_still() -> None:
    found = stills("neutral")
    assert (found >= 1).mean() < 0.03
    assert np.rint(found).max() <= 2


def test_expressions_can_be_told_but_overlap() -> None:
    centres = {name: (stills(name) >= 1).mean(axis=0) for name in EXPRESSION_VARIANTS}
    right, names = 0, list(centres)
    for name in names:
        for row in stills(name, 60) >= 1:
            distances = [np.square(row - centres[other]).sum() for other in names]
            right += names[int(np.argmin(distances))] == name
    assert 0.7 < right / (60 * len(names)) < 0.995


def test_happiness_smiles() -> None:
    smile = stills("happiness")[:, ACTION_UNITS.index(12)]
    assert smile.min() >= 1
    assert smile.std() > 0.7
