from dataclasses import replace

import numpy as np

from shards.synthetic.camera import PLAIN_CAMERA, Exposure, draw_camera

GREY = np.full((32, 32, 3), 120, np.uint8)


def test_plain_camera_changes_nothing() -> None:
    np.testing.assert_array_equal(Exposure(PLAIN_CAMERA, 32).take(GREY, 3), GREY)


def test_a_frame_is_taken_alike_whenever_it_is_taken() -> None:
    camera = replace(draw_camera(np.random.default_rng(1)), noise=4.0, flicker=0.03)
    first, other = Exposure(camera, 32), Exposure(camera, 32)
    first.take(GREY, 0)
    np.testing.assert_array_equal(first.take(GREY, 7), other.take(GREY, 7))
    assert (first.take(GREY, 8) != first.take(GREY, 7)).any()


def test_gain_noise_and_vignette_do_what_they_say() -> None:
    warm = Exposure(replace(PLAIN_CAMERA, gain=(1.2, 1.0, 0.8)), 32).take(GREY, 0)[16, 16]
    assert warm.tolist() == [144, 120, 96]
    noisy = Exposure(replace(PLAIN_CAMERA, noise=5.0), 32).take(GREY, 0)
    assert 4 < noisy.std() < 6
    dark = Exposure(replace(PLAIN_CAMERA, vignette=0.4), 32).take(GREY, 0)
    assert dark[0, 0, 0] < dark[16, 16, 0]


def test_cameras_are_mostly_moderate() -> None:
    cameras = [draw_camera(np.random.default_rng(seed)) for seed in range(100)]
    assert min(min(camera.gain) for camera in cameras) > 0.7
    assert max(max(camera.gain) for camera in cameras) < 1.5
    assert 0 < sum(camera.blur > 0 for camera in cameras) < 50
