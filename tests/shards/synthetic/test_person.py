import itertools

import numpy as np

from shards.synthetic.person import make_person, stable_seed


def test_person_is_a_function_of_the_seed() -> None:
    first = make_person(7)
    make_person.cache_clear()
    again = make_person(7)
    np.testing.assert_array_equal(first.neutral_VD, again.neutral_VD)
    np.testing.assert_array_equal(first.worn.vertices_VD, again.worn.vertices_VD)
    assert first.wardrobe == again.wardrobe
    np.testing.assert_array_equal(first.atlas_HWC, again.atlas_HWC)


def test_people_differ_in_shape_and_colour() -> None:
    people = [make_person(seed) for seed in range(6)]
    for one, other in itertools.combinations(people, 2):
        assert np.abs(one.neutral_VD - other.neutral_VD).max() > 0.05  # half a centimetre
        assert np.abs(np.subtract(one.look.skin, other.look.skin)).max() > 1.0


def test_stable_seed_is_the_same_everywhere() -> None:
    assert stable_seed("person", "disfa", 1, 2) == 8308956215580955918
    assert stable_seed("a", "b") != stable_seed("ab")
