from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS
from shards.synthetic.likeness import (
    CONFUSABLE_PAIRS,
    LIKENESS_LIMIT,
    PEOPLE,
    REGIONS,
    STILL_PIXELS,
    confusable_pairs,
    likeness,
    region_changes,
    stills,
)

# Where each unit must change the picture most, and by how many grey levels on average on every person.
OWN_REGION = {
    1: ("brows", 2.0), 2: ("brows", 2.0), 4: ("brows", 4.0), 5: ("eyes", 3.0), 6: ("eyes", 4.0),
    7: ("eyes", 3.0), 9: ("nose and cheeks", 3.0), 10: ("mouth", 3.0), 12: ("mouth", 4.0), 14: ("mouth", 3.0),
    15: ("mouth", 4.0), 17: ("mouth", 2.5), 20: ("mouth", 4.0), 23: ("mouth", 2.0), 24: ("mouth", 4.0),
    25: ("mouth", 3.0), 26: ("mouth", 3.0), 43: ("eyes", 5.0), 45: ("eyes", 5.0),
}  # fmt: skip
TOLERANCE = 0.08


@cache
def drawn(pixels: int) -> NDArray[np.uint8]:
    return stills(seed=2, people=PEOPLE if pixels == STILL_PIXELS else 6, pixels=pixels)


@pytest.mark.parametrize("pixels", [112, 224])
def test_each_unit_changes_its_own_region_most(pixels: int) -> None:
    changes = region_changes(drawn(pixels))
    assert set(OWN_REGION) == set(ACTION_UNITS)
    for column, unit in enumerate(ACTION_UNITS):
        own, least = OWN_REGION[unit]
        means = {name: change_PA[:, column].mean() for name, change_PA in changes.items()}
        assert max(means, key=means.__getitem__) == own, (unit, means)
        assert changes[own][:, column].min() > least, (unit, changes[own][:, column])


def test_regions_cover_the_face_once() -> None:
    edges = sorted(REGIONS.values())
    assert all(low[1] == high[0] for low, high in pairwise(edges))


def test_stated_pairs_are_those_measured_on_other_people() -> None:
    measured = likeness(drawn(STILL_PIXELS))
    for i, first in enumerate(ACTION_UNITS):
        for j, second in enumerate(ACTION_UNITS[:i]):
            stated = CONFUSABLE_PAIRS.get((second, first))
            if stated is None:
                assert measured[i, j] < LIKENESS_LIMIT + TOLERANCE, (second, first, measured[i, j])
            else:
                assert measured[i, j] == pytest.approx(stated, abs=TOLERANCE), (second, first)


def test_pairs_are_listed_from_the_most_alike() -> None:
    alike = np.array([[1.0, 0.2, 0.6], [0.2, 1.0, 0.9], [0.6, 0.9, 1.0]])
    assert list(confusable_pairs(alike, units=(1, 2, 4))) == [(2, 4), (1, 4)]


def test_same_seed_gives_the_same_bytes() -> None:
    first = stills(seed=3, people=2, pixels=64)
    np.testing.assert_array_equal(first, stills(seed=3, people=2, pixels=64))
    assert (first != stills(seed=4, people=2, pixels=64)).any()
