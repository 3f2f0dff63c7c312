from collections import Counter

import numpy as np
import pytest

from shards.layouts import affectnet, ferplus, rafdb
from shards.synthetic.action_units import ACTION_UNITS
from shards.synthetic.writers.stills import draw_classes, perform_expression

FOURTEEN = ACTION_UNITS.index(14)


def test_the_first_pictures_show_every_class_and_the_others_follow_the_shares() -> None:
    shares = {3: 0.6, 5: 0.3, 9: 0.1}
    names = [f"x{place}" for place in range(3000)]
    found = draw_classes(1, names, shares)
    assert found[:3] == [3, 5, 9]
    counts = Counter(found)
    assert all(abs(counts[number] / 3000 - share) < 0.03 for number, share in shares.items())
    assert draw_classes(1, names[:50], shares) == found[:50]
    assert draw_classes(2, names[:50], shares) != found[:50]


@pytest.mark.parametrize(
    "expression",
    sorted({*rafdb.EXPRESSIONS.values(), *ferplus.EXPRESSIONS, *affectnet.EXPRESSIONS.values()}),
)
def test_every_expression_of_every_set_can_be_performed(expression: str) -> None:
    performance = perform_expression(np.random.default_rng(0), expression)
    assert performance.intensity_TA.shape == (1, len(ACTION_UNITS))
    assert performance.intensity_TA.dtype == np.float32


def test_contempt_is_one_sided() -> None:
    performances = [perform_expression(np.random.default_rng(seed), "contempt") for seed in range(60)]
    intensity = np.array([performance.intensity_TA[0] for performance in performances])
    imbalance = np.array([performance.imbalance_TA[0, FOURTEEN] for performance in performances])
    assert intensity[:, FOURTEEN].min() >= 1
    assert (np.delete(intensity, FOURTEEN, axis=1) >= 1).mean() < 0.05
    assert np.abs(imbalance).min() >= 0.69
    assert {-1, 1} == set(np.sign(imbalance).tolist())
