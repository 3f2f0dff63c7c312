import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.pack.align import TEMPLATE, crop, similarity


@given(angle=st.floats(-3, 3), scale=st.floats(0.05, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_an_exact_similarity_is_found(angle: float, scale: float, x: float, y: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks_52 = np.array(TEMPLATE) * 100 @ turn.T + [x, y]
    matrix_23 = similarity(landmarks_52, 64)
    np.testing.assert_allclose(
        landmarks_52 @ matrix_23[:, :2].T + matrix_23[:, 2], np.array(TEMPLATE) * 64, atol=1e-6
    )


def test_points_without_direction() -> None:
    with pytest.raises(ValueError, match="no direction"):
        similarity(np.ones((5, 2)), 64)


def dots(size: int, landmarks_52: np.ndarray, radius: int) -> np.ndarray:
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in landmarks_52:
        cv2.circle(picture, (round(x), round(y)), radius, (255, 255, 255), -1)
    return picture


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.3, 3.0, 7.0])
def test_landmarks_land_on_the_template(scale: float) -> None:
    """Growing, equal, and both ways of shrinking put the same point in the same place."""
    landmarks_52 = np.round(np.array(TEMPLATE) * 96 * scale + [20, 30])
    result = crop(dots(round(96 * scale) + 100, landmarks_52, max(2, round(4 * scale))), landmarks_52, 96)
    for point in np.array(TEMPLATE) * 96:
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
    result = crop(stripes, np.array(TEMPLATE) * 700 + 50, 96)
    assert result.std() < 12  # without averaging it is 100


def test_outside_the_frame_is_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    result = crop(white, np.array(TEMPLATE) * 96 - [48, 0], 96)
    assert (result[:, :40] == 0).all()
    assert (result[5:90, 60:] == 255).all()
