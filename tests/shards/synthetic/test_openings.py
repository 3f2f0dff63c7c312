from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.appearance import load_atlas, paint_atlas
from shards.synthetic.head import load_head
from shards.synthetic.look import draw_look

LOOK = replace(draw_look(np.random.default_rng(0), 0.0), teeth=(1.0, 1.0, 1.0), lashes=1.0)


def painted(part: str) -> NDArray[np.int64]:
    colours_NC = paint_atlas(LOOK)[load_atlas().part_SS == load_head().part_names.index(part)]
    return np.asarray(colours_NC, np.int64)


def test_teeth_are_light_with_dark_gaps_and_red_gums() -> None:
    teeth = painted("upper_teeth")
    brightness, redness = teeth.mean(axis=1), teeth[:, 0] - teeth[:, 1]
    assert np.quantile(brightness, 0.9) > 180
    assert (brightness < 120).mean() > 0.05
    assert (redness > 40).mean() > 0.05


def test_mouth_is_dark_and_lashes_are_darker_than_skin() -> None:
    assert painted("mouth").mean() < 90
    assert painted("lashes").mean() < 40


def test_eye_has_white_iris_and_pupil() -> None:
    eye = painted("eye_left").mean(axis=1)
    assert (eye > 200).mean() > 0.3
    assert (eye < 30).any()
