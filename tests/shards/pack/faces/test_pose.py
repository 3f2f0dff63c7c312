import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards.pack.faces.detect import YuNet
from shards.pack.faces.pose import MEAN_FACE, fit_pose
from shards.synthetic.generate import person_seed
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person
from shards.synthetic.render import Renderer, rotation_matrix
from shards.synthetic.scene import draw_scene, plain

# The renderer's axes are x to the person's left, y up, z to the camera.
FLIP = np.diag([1.0, -1.0, -1.0])


def seen(yaw: float, pitch: float, roll: float, scale: float, x: float, y: float) -> NDArray[np.float64]:
    """The mean face as a weak-perspective camera sees it; angles in degrees."""
    rotation = rotation_matrix(np.radians([pitch, yaw, roll]).astype(np.float32)).astype(np.float64)
    return (MEAN_FACE @ (FLIP @ rotation @ FLIP).T)[:, :2] * scale + [x, y]


@settings(deadline=None)  # a loaded machine is no failure
@given(
    yaw=st.floats(-80, 80),
    pitch=st.floats(-30, 30),
    roll=st.floats(-180, 180),
    scale=st.floats(2, 500),
    x=st.floats(-2000, 2000),
    y=st.floats(-2000, 2000),
)
def test_the_pose_of_the_mean_face_is_found(
    yaw: float, pitch: float, roll: float, scale: float, x: float, y: float
) -> None:
    found = fit_pose(seen(yaw, pitch, roll, scale, x, y)[None])
    assert found.yaw_degrees_T[0] == pytest.approx(yaw, abs=0.01)
    assert found.eye_pixels_T[0] == pytest.approx(scale, rel=1e-4)


def test_frames_are_fitted_one_by_one() -> None:
    faces = np.stack([seen(yaw, 5, 10, 40, 0, 0) for yaw in (-50, 0, 20)])
    np.testing.assert_allclose(fit_pose(faces).yaw_degrees_T, [-50, 0, 20], atol=0.01)


def test_five_equal_landmarks_have_no_size() -> None:
    assert fit_pose(np.full((1, 5, 2), 7.0)).eye_pixels_T[0] == pytest.approx(0, abs=1e-9)


def test_yaw_and_size_of_generated_heads_through_the_detector() -> None:
    """Heads whose turn is known, seen by the real detector; nobody has the mean face."""
    detector, none = YuNet(), np.zeros(len(load_head().expressions.names), np.float32)
    yaws, yaw_error, sizes = np.arange(-60, 61, 20), [], []
    for index in range(4):
        scene = plain(draw_scene(np.random.default_rng(index), 1, 1.0, 224))
        renderer = Renderer(make_person(person_seed("disfa", 5, index)), scene, 224)
        pictures = [
            renderer.render(none, np.radians([0, yaw, 0]).astype(np.float32), np.zeros(3, np.float32))
            for yaw in yaws
        ]
        faces = [detector.detect(picture[..., 1].copy())[0] for picture in pictures]
        pose = fit_pose(np.stack([face.landmarks_52 for face in faces]))
        yaw_error.append(pose.yaw_degrees_T - yaws)
        sizes.append(pose.eye_pixels_T)
    assert np.abs(yaw_error).max() < 20
    assert np.abs(np.mean(yaw_error, axis=0)).max() < 11
    # At 60 degrees the eyes are half as far apart in the picture; the face is as large as before.
    size_P = np.mean(sizes, axis=0)
    np.testing.assert_allclose(size_P, size_P[3], rtol=0.12)
