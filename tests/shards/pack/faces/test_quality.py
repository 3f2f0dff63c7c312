import dataclasses
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards.pack.faces.pose import MEAN_FACE
from shards.pack.faces.quality import Gates, Quality, inner_face, measure, sharpness
from shards.pack.faces.recipes import ALIGNERS, WIDE
from tests.clips import face_frames

GOOD = Quality(eye_pixels=40.0, sharpness=0.2, yaw_degrees=10.0, score=0.9)
STRICT = Gates(least_eye_pixels=30, least_sharpness=0.1, most_yaw_degrees=30, least_score=0.8)


@cache
def texture() -> NDArray[np.uint8]:
    """A real face's picture, 64 to 191 in brightness."""
    luma_HW = face_frames(1)[0][..., 1].astype(np.float64)
    scaled_HW = 64 + 127 * (luma_HW - luma_HW.min()) / np.ptp(luma_HW)
    return np.repeat(scaled_HW.round().astype(np.uint8)[..., None], 3, axis=2)


def test_blur_lowers_sharpness() -> None:
    found = [
        sharpness(np.asarray(cv2.GaussianBlur(texture(), (0, 0), sigma), np.uint8))
        for sigma in (0.1, 1, 2, 4)
    ]
    assert all(after < 0.75 * before for before, after in pairwise(found))


@settings(deadline=None)  # a loaded machine is no failure
@given(gain=st.floats(0.25, 1.3), offset=st.integers(-10, 6))
def test_brightness_and_contrast_change_sharpness_little(gain: float, offset: int) -> None:
    """A dark face or dim light is not blur; the common measure changes by the gain squared."""
    changed = np.clip((texture() - 64.0) * gain + 30 + offset, 0, 255).round().astype(np.uint8)
    assert sharpness(changed) == pytest.approx(sharpness(texture()), rel=0.05)


def test_one_colour_has_no_sharpness() -> None:
    assert sharpness(np.full((20, 20, 3), 90, np.uint8)) == 0


@pytest.mark.parametrize("name", ALIGNERS)
@pytest.mark.parametrize("size", [16, 96, 224])
def test_sharpness_is_measured_on_the_face_alone(name: str, size: int) -> None:
    template = ALIGNERS[name]().template
    rows, columns = inner_face(template, size)
    for x, y in template:
        assert columns.start <= x * size <= columns.stop
        assert rows.start <= y * size <= rows.stop
    assert 0.25 < (rows.stop - rows.start) * (columns.stop - columns.start) / size**2 < 0.75


def test_a_template_outside_the_crop_leaves_something_to_measure() -> None:
    rows, columns = inner_face((np.array(WIDE) + 5).tolist(), 32)
    assert sharpness(np.zeros((32, 32, 3), np.uint8)[rows, columns]) == 0
    assert columns.stop - columns.start == rows.stop - rows.start == 2


def test_medians_over_the_frames() -> None:
    face_52 = MEAN_FACE[:, :2]
    landmarks_T52 = np.stack([20 * face_52, 30 * face_52, 900 * face_52])
    found = measure(landmarks_T52, [0.3, 0.01, 0.2], [0.9, None, 0.7])
    assert found == Quality(eye_pixels=30.0, sharpness=0.2, yaw_degrees=0.0, score=0.8)
    assert measure(landmarks_T52, [0.3, 0.01, 0.2], [None] * 3).score is None


def test_turns_to_either_side_do_not_cancel() -> None:
    left_52 = np.array([[0, 0], [8, 0], [12, 9], [1, 20], [9, 20.0]])
    right_52 = left_52 * [-1, 1]
    found = measure(np.stack([left_52, right_52[[1, 0, 2, 4, 3]]]), [1, 1], [1, 1])
    assert found.yaw_degrees > 40


@pytest.mark.parametrize(
    ("name", "value", "reason", "detail"),
    [
        ("eye_pixels", 29.9, "too_small", "eyes 29.9 pixels apart, wanted 30"),
        ("sharpness", 0.09, "too_blurred", "sharpness 0.09, wanted 0.1"),
        ("yaw_degrees", 30.1, "too_turned", "turned by 30.1 degrees, wanted at most 30"),
        ("score", 0.79, "low_score", "score 0.79, wanted 0.8"),
    ],
)
def test_each_gate_refuses_by_name(name: str, value: float, reason: str, detail: str) -> None:
    assert STRICT.refusals(GOOD) == []
    bad = dataclasses.replace(GOOD, **{name: value})
    assert [(refusal.reason, refusal.detail) for refusal in STRICT.refusals(bad)] == [(reason, detail)]
    assert Gates(least_eye_pixels=0).refusals(bad) == []


def test_all_that_is_wrong_is_said_and_the_gravest_first() -> None:
    found = STRICT.refusals(Quality(10.0, 0.01, 80.0, 0.5))
    assert [refusal.reason for refusal in found] == ["too_small", "low_score", "too_turned", "too_blurred"]


def test_without_a_searched_frame_there_is_no_score_to_fail_by() -> None:
    assert STRICT.refusals(dataclasses.replace(GOOD, score=None)) == []


def test_by_default_small_pictures_of_faces_pass() -> None:
    """FER+: 48 pixels, eyes 18 apart, of which a profile shows a fraction; single frames of low score."""
    assert Gates().refusals(Quality(eye_pixels=12.0, sharpness=0.0, yaw_degrees=90.0, score=0.5)) == []
    assert Gates().refusals(dataclasses.replace(GOOD, eye_pixels=5.9)) != []


def test_words_of_the_command_line() -> None:
    assert Gates.from_words([]) == Gates()
    assert Gates.from_words(["least_score=0.9", "most_yaw_degrees=45"]) == Gates(
        most_yaw_degrees=45, least_score=0.9
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["least_sharpnes=1"],
            r"no gate 'least_sharpnes'; did you mean 'least_sharpness'\? There are: least_eye",
        ),
        (
            ["zzz=1"],
            r"no gate 'zzz'; There are: least_eye_pixels, least_sharpness, most_yaw_degrees, least_sc",
        ),
        (["least_score=1", "least_score=0"], "gate least_score is given twice"),
        (["least_score"], r"gate 'least_score' has no number; give least_score=VALUE"),
        (["least_score=high"], r"gate 'least_score=high' has no number"),
        (["least_score=nan"], "gate least_score needs a number from 0 on, found nan"),
        (["most_yaw_degrees=-3"], "gate most_yaw_degrees needs a number from 0 on, found -3.0"),
    ],
)
def test_wrong_words(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gates.from_words(words)
