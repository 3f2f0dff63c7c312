import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.pack.faces.align import Aligner, box_under, crop, similarity
from shards.pack.faces.recipes import TIGHT, WIDE, face5_tight, face5_wide
from shards.pack.frames.parts import Part


@given(angle=st.floats(-3, 3), scale=st.floats(0.05, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_an_exact_similarity_is_found(angle: float, scale: float, x: float, y: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for template in (WIDE, TIGHT):
        landmarks_52 = np.array(template) * 100 @ turn.T + [x, y]
        matrix_23 = similarity(landmarks_52, 64, template)
        np.testing.assert_allclose(
            landmarks_52 @ matrix_23[:, :2].T + matrix_23[:, 2], np.array(template) * 64, atol=1e-6
        )


def test_points_without_direction() -> None:
    with pytest.raises(ValueError, match="no direction"):
        similarity(np.ones((5, 2)), 64, WIDE)


def dots(size: int, landmarks_52: np.ndarray, radius: int) -> np.ndarray:
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in landmarks_52:
        cv2.circle(picture, (round(x), round(y)), radius, (255, 255, 255), -1)
    return picture


@pytest.mark.parametrize("aligner", [face5_wide(), face5_tight()])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.3, 3.0, 7.0])
def test_landmarks_land_on_the_template(scale: float, aligner: Aligner) -> None:
    """Growing, equal, and both ways of shrinking put the same point in the same place."""
    landmarks_52 = np.round(np.array(aligner.template) * 96 * scale + [20, 30])
    picture = dots(round(96 * scale) + 100, landmarks_52, max(2, round(4 * scale)))
    result = crop(Part(picture), aligner.matrix(landmarks_52, 96), 96)
    for point in np.array(aligner.template) * 96:
        y, x = np.mgrid[:96, :96]
        near = np.hypot(x - point[0], y - point[1]) < 8
        weight = result[..., 0] * near
        centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
        assert np.abs(centre - point).max() < (
            0.7 if scale >= 1 else 1.2
        )  # of which 0.5 / scale are rounding


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    result = crop(Part(stripes), face5_wide().matrix(np.array(WIDE) * 700 + 50, 96), 96)
    assert result.std() < 12  # without averaging it is 100


def test_outside_the_frame_is_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    result = crop(Part(white), face5_wide().matrix(np.array(WIDE) * 96 - [48, 0], 96), 96)
    assert (result[:, :40] == 0).all()
    assert (result[5:90, 60:] == 255).all()


@given(
    angle=st.floats(-3, 3),
    zoom=st.floats(0.05, 3),
    x=st.floats(-200, 900),
    y=st.floats(-200, 700),
)
@settings(deadline=None, max_examples=60)
def test_a_crop_of_a_part_is_that_of_the_whole_frame(angle: float, zoom: float, x: float, y: float) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (482, 638, 3), np.uint8)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix_23 = cv2.invertAffineTransform(np.column_stack([turn / zoom**2, [x, y]]))
    box = box_under(matrix_23, 64).inside(638, 482)
    part = Part(picture[box.top : box.bottom, box.left : box.right], box.left, box.top)
    apart = np.abs(crop(part, matrix_23, 64).astype(int) - crop(Part(picture), matrix_23, 64))
    # The warp rounds places to 1/32 pixel; a place on the edge may be rounded to either side.
    assert apart.max() <= 255 / 32
    assert apart.mean() < 0.02
