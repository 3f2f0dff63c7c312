import numpy as np

from shards.synthetic.gestures import AXIS, EVENTS_PER_MINUTE, draw_gestures


def test_gestures_come_on_every_axis_and_are_small() -> None:
    time = np.arange(0, 120, 0.04)
    rotation = draw_gestures(np.random.default_rng(1), time)
    assert set(AXIS) == set(EVENTS_PER_MINUTE)
    assert (np.abs(rotation).max(axis=0) > 0.03).all()
    assert np.abs(rotation).max() < 0.4
    assert (np.abs(rotation) < 1e-9).all(axis=1).mean() > 0.3  # most of the time there is none


def test_one_frame_is_enough() -> None:
    assert draw_gestures(np.random.default_rng(1), np.zeros(1)).shape == (1, 3)
