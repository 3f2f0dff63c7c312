from dataclasses import replace

import numpy as np

from shards.synthetic.appearance import ATLAS_SIZE, above_hairline, load_atlas, paint_atlas, smooth_step
from shards.synthetic.head import load_head
from shards.synthetic.look import draw_look

LOOK = replace(draw_look(np.random.default_rng(0), 0.0), bald=0.0, beard=0.0, freckles=0.0)


def test_every_part_has_its_place_on_the_atlas() -> None:
    atlas = load_atlas()
    assert set(np.unique(atlas.part_SS)) == {-1, *range(len(load_head().part_names))}


def test_atlas_knows_where_its_texels_lie() -> None:
    head, atlas = load_head(), load_atlas()
    skin = atlas.part_SS == head.part_names.index("head")
    lips = (atlas.lips_SS > 0.5) & skin
    assert np.abs(atlas.position_SSD[lips][:, 0]).max() < 0.4
    assert (atlas.position_SSD[lips][:, 1] < -0.4).all()
    assert np.abs(atlas.position_SSD[skin]).max() < 2.5


def test_painting_repeats_and_follows_the_look() -> None:
    painted = paint_atlas(LOOK)
    assert painted.shape == (ATLAS_SIZE, ATLAS_SIZE, 3)
    np.testing.assert_array_equal(painted, paint_atlas(LOOK))
    darker = paint_atlas(replace(LOOK, skin=(90.0, 60.0, 50.0)))
    assert darker.mean() < painted.mean()


def test_brow_is_darker_than_the_forehead_for_dark_hair() -> None:
    atlas = load_atlas()
    painted = paint_atlas(replace(LOOK, skin=(236, 188, 160), hair=(30, 24, 20), brow_lift=0.0)).mean(axis=-1)
    x, y, z = np.moveaxis(atlas.position_SSD, -1, 0)
    front = (np.abs(np.abs(x) - 0.3) < 0.05) & (z > 0)
    assert (
        painted[front & (np.abs(y - 0.22) < 0.01)].mean()
        < 0.6 * painted[front & (np.abs(y - 0.45) < 0.05)].mean()
    )


def test_hair_grows_on_the_skull_and_not_on_the_face() -> None:
    places = np.array([[0, 1.1, -0.6], [0, 0.3, -1.8], [0, 0.4, 0.3], [0, -0.5, 0.4]], np.float32)
    assert (above_hairline(places, LOOK) > 0).tolist() == [True, True, False, False]


def test_smooth_step_runs_both_ways() -> None:
    value = np.array([0.0, 0.5, 1.0], np.float32)
    np.testing.assert_allclose(smooth_step(0, 1, value), [0, 0.5, 1])
    np.testing.assert_allclose(smooth_step(1, 0, value), [1, 0.5, 0])
