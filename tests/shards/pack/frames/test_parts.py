from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.pack.frames.colours import can_be_cut, rgb, rgb_part
from shards.pack.frames.parts import STEP_X, STEP_Y, Box
from tests.clips import write_video

sides = st.integers(-300, 900)


@given(x=st.tuples(sides, sides), y=st.tuples(sides, sides), margin=st.integers(0, 9))
def test_a_box_holds_its_points(x: tuple[int, int], y: tuple[int, int], margin: int) -> None:
    box = Box.around(np.array([x, y], float).T, margin)
    assert box.left <= min(x) - margin
    assert box.right > max(x) + margin
    assert box.top <= min(y) - margin
    assert box.bottom > max(y) + margin
    assert all(place % STEP_X == 0 for place in (box.left, box.right))
    assert all(place % STEP_Y == 0 for place in (box.top, box.bottom))
    inside = box.inside(638, 482)
    assert 0 <= inside.left < inside.right <= 638
    assert 0 <= inside.top < inside.bottom <= 482


@pytest.mark.parametrize("size", [(640, 480), (1278, 716), (350, 244)])
def test_a_part_has_the_colours_of_the_whole(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    with av.open(str(write_video(tmp_path / "a.mp4", [noise] * 2))) as container:
        picture = next(container.decode(video=0))
    assert can_be_cut(picture)
    whole_HWC = rgb(picture)
    places = np.random.default_rng(1)
    for _ in range(40):
        points = places.uniform((-50, -50), (width + 50, height + 50), (2, 2))
        part = rgb_part(picture, Box.around(points, 4))
        rows, columns = part.rgb_HWC.shape[:2]
        np.testing.assert_array_equal(
            part.rgb_HWC, whole_HWC[part.top : part.top + rows, part.left : part.left + columns]
        )
