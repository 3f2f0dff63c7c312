import numpy as np

from shards.synthetic.scene import NO_SHADOW, draw_background, draw_scene, plain, smooth_motion


def test_scene_is_a_function_of_its_generator() -> None:
    first, again, other = (draw_scene(np.random.default_rng(seed), 20, 25, 64) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.background_HWC, again.background_HWC)
    np.testing.assert_array_equal(first.rotation_TD, again.rotation_TD)
    assert np.abs(first.background_HWC.astype(int) - other.background_HWC).mean() > 5


def test_head_turns_slowly_and_stays_in_view() -> None:
    scene = draw_scene(np.random.default_rng(3), 500, 25, 64)
    assert (np.abs(scene.rotation_TD) <= (0.3, 0.5, 0.22)).all()
    assert np.abs(np.diff(scene.rotation_TD, axis=0)).max() < 0.05
    assert scene.rotation_TD.std(axis=0).min() > 0.01


def test_plain_scene_keeps_light_and_place_and_loses_the_rest() -> None:
    scenes = [draw_scene(np.random.default_rng(seed), 20, 25, 64) for seed in range(30)]
    assert 0 < sum(scene.shadow != NO_SHADOW for scene in scenes) < 25
    assert 0 < sum(scene.occluder is not None for scene in scenes) < 25
    assert all(plain(scene).occluder is None and plain(scene).shadow == NO_SHADOW for scene in scenes)
    assert all(plain(scene).light_D is scene.light_D for scene in scenes)


def test_motion_has_the_asked_spread() -> None:
    time = np.arange(0, 600, 0.04)
    spreads = [smooth_motion(np.random.default_rng(seed), time, 0.2).std() for seed in range(20)]
    assert 0.15 < np.mean(spreads) < 0.25


def test_background_is_neither_black_nor_white() -> None:
    means = [draw_background(np.random.default_rng(seed), 64).mean() for seed in range(20)]
    assert min(means) > 20
    assert max(means) < 235
