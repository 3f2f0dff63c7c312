import numpy as np
import pytest

from shards.layouts import affectnet, ferplus, rafdb
from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY
from shards.synthetic.expressions import EXPRESSION_VARIANTS, perform_still

FOURTEEN = ACTION_UNITS.index(14)


def stills(expression: str, count: int = 300) -> np.ndarray:
    """(count, A) intensities."""
    return np.concatenate(
        [perform_still(np.random.default_rng(seed), expression).intensity_TA for seed in range(count)]
    )


def test_every_class_has_its_variants() -> None:
    assert set(EXPRESSION_VARIANTS) == set(rafdb.EXPRESSIONS.values())


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


@pytest.mark.parametrize(
    "expression",
    sorted({*rafdb.EXPRESSIONS.values(), *ferplus.EXPRESSIONS, *affectnet.EXPRESSIONS.values()}),
)
def test_every_expression_of_every_set_can_be_performed(expression: str) -> None:
    performance = perform_still(np.random.default_rng(0), expression)
    assert performance.intensity_TA.shape == (1, len(ACTION_UNITS))
    assert performance.intensity_TA.dtype == np.float32


def test_contempt_is_one_sided() -> None:
    performances = [perform_still(np.random.default_rng(seed), "contempt") for seed in range(60)]
    intensity = np.array([performance.intensity_TA[0] for performance in performances])
    imbalance = np.array([performance.imbalance_TA[0, FOURTEEN] for performance in performances])
    assert intensity[:, FOURTEEN].min() >= 1
    assert (np.delete(intensity, FOURTEEN, axis=1) >= 1).mean() < 0.05
    assert np.abs(imbalance).min() >= 0.69
    assert {-1, 1} == set(np.sign(imbalance).tolist())
