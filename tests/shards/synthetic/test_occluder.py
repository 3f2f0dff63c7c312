from dataclasses import replace

import numpy as np
import pytest

from shards.synthetic.occluder import KINDS, Occluder, draw_occluder, lay_over, paint_sprite

TIME = np.arange(0, 10, 0.04)
SKIN, HAIR = (200.0, 160.0, 140.0), (40.0, 30.0, 20.0)


def drawn() -> list[Occluder]:
    found = (draw_occluder(np.random.default_rng(seed), TIME) for seed in range(60))
    return [occluder for occluder in found if occluder is not None]


def test_some_scenes_have_one_and_it_comes_and_goes() -> None:
    occluders = drawn()
    assert 8 < len(occluders) < 32
    assert {occluder.kind for occluder in occluders} == set(KINDS)
    for occluder in occluders:
        shown = ~np.isnan(occluder.place_T2).any(axis=1)
        assert 0.1 < shown.mean() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_sprite_covers_a_part_of_the_picture_in_place(kind: str) -> None:
    occluder = replace(drawn()[0], kind=kind)
    sprite = paint_sprite(occluder, SKIN, HAIR, 200)
    np.testing.assert_array_equal(sprite, paint_sprite(occluder, SKIN, HAIR, 200))
    picture = np.full((200, 200, 3), 255, np.uint8)
    lay_over(picture, sprite, np.array([0.5, 0.5], np.float32))
    covered = (picture != 255).any(axis=-1)
    assert 0.002 < covered.mean() < 0.12
    assert not covered[0].any()


def test_nothing_is_drawn_while_it_is_away_or_outside() -> None:
    sprite = paint_sprite(drawn()[0], SKIN, HAIR, 100)
    for place in ((np.nan, np.nan), (9.0, 9.0)):
        picture = np.zeros((100, 100, 3), np.uint8)
        lay_over(picture, sprite, np.array(place, np.float32))
        assert not picture.any()


def test_a_still_may_have_one() -> None:
    assert any(draw_occluder(np.random.default_rng(seed), np.zeros(1)) for seed in range(20))
