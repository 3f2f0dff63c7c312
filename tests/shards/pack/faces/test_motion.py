import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards.pack.faces.motion import carry, face_size

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
STEPS = 5
START_52 = np.array([[60.0, 40], [90, 41], [76, 55], [63, 72], [88, 72]])
SWING = np.sin(np.linspace(0, np.pi, STEPS + 1) * 0.8)
"""There and half back, so that straight lines are wrong."""


def texture() -> Pixels:
    noise = np.random.default_rng(0).normal(0, 1, (120, 160))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.asarray(np.clip(128 + 300 * smooth, 0, 255), np.uint8)


def swinging(x: float, y: float, turn_degrees: float, growth: float) -> tuple[list[Pixels], list[Floats]]:
    """Pictures of a surface that swings by so much, and where the landmarks truly are."""
    pictures, landmarks = [], []
    for share in SWING:
        matrix_23 = cv2.getRotationMatrix2D((75.0, 56.0), turn_degrees * share, 1 + growth * share)
        matrix_23[:, 2] += np.array([x, y]) * share
        picture = cv2.warpAffine(texture(), matrix_23, (160, 120), borderMode=cv2.BORDER_REFLECT)
        pictures.append(np.asarray(picture, np.uint8))
        landmarks.append(START_52 @ matrix_23[:, :2].T + matrix_23[:, 2])
    return pictures, landmarks


def straight(start_52: Floats, end_52: Floats) -> Floats:
    return np.stack([start_52 + (end_52 - start_52) * step / STEPS for step in range(1, STEPS)])


@settings(max_examples=30, deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(-8, 8), st.floats(-0.06, 0.06))
def test_landmarks_move_as_the_face_does(x: float, y: float, turn_degrees: float, growth: float) -> None:
    pictures, truth = swinging(x, y, turn_degrees, growth)
    found = carry(pictures, truth[0], truth[-1])
    np.testing.assert_allclose(found, truth[1:-1], atol=0.25)


def test_straight_lines_would_not_do() -> None:
    _, truth = swinging(8, 0, 0, 0)
    assert np.abs(straight(truth[0], truth[-1]) - truth[1:-1]).max() > 2


def test_what_motion_does_not_explain_comes_evenly() -> None:
    pictures, truth = swinging(6, 0, 0, 0)
    smile = np.zeros((5, 2))
    smile[3:] = [[-2, -1], [2, -1]]
    found = carry(pictures, truth[0], truth[-1] + smile)
    wanted = [truth[step] + smile * step / STEPS for step in range(1, STEPS)]
    np.testing.assert_allclose(found, wanted, atol=0.25)


def test_a_landmark_that_leaps_goes_straight_and_takes_no_other_along() -> None:
    pictures, truth = swinging(6, 0, 0, 0)
    end_52 = truth[-1].copy()
    end_52[4] += [14, 0]
    found = np.stack(carry(pictures, truth[0], end_52))
    np.testing.assert_allclose(found[:, 4], straight(truth[0], end_52)[:, 4], atol=1e-9)
    np.testing.assert_allclose(found[:, :4], np.stack(truth[1:-1])[:, :4], atol=0.25)


def test_where_nothing_can_be_followed_lines_are_straight() -> None:
    flat = [np.full((120, 160), 90, np.uint8)] * (STEPS + 1)
    end_52 = START_52 + np.array([4, -3])
    np.testing.assert_allclose(carry(flat, START_52, end_52), straight(START_52, end_52))


@pytest.mark.parametrize(
    "start_52",
    [
        pytest.param(START_52 - np.array([70, 30]), id="half out of the picture"),
        pytest.param(START_52 + np.array([400, 0]), id="out of the picture"),
        pytest.param(START_52 / 20 + np.array([70, 50]), id="two pixels wide"),
        pytest.param(np.tile([[70.0, 50.0]], (5, 1)), id="one point"),
    ],
)
def test_odd_faces_give_finite_paths_near_the_two_detections(start_52: Floats) -> None:
    pictures, _ = swinging(0, 0, 0, 0)
    end_52 = start_52 + np.array([1, 0])
    found = np.stack(carry(pictures, start_52, end_52))
    assert np.abs(found - straight(start_52, end_52)).max() < 1


def test_neighbouring_frames_have_nothing_between() -> None:
    assert carry([texture(), texture()], START_52, START_52) == []


def test_the_size_of_a_face_hardly_depends_on_its_turn() -> None:
    frontal_5 = np.array([-1, 1, 0.6j, -0.8 + 1.2j, 0.8 + 1.2j])
    profile_5 = 0.3 * frontal_5.real + 1j * frontal_5.imag
    assert face_size(frontal_5) == pytest.approx(0.99, abs=0.1)
    assert 0.5 < face_size(profile_5) / face_size(frontal_5) < 1
