from pathlib import Path

import numpy as np
import pytest

from shards.errors import ShardError
from shards.pack.faces.detect import YuNet
from shards.pack.faces.plugins import DETECTORS, get_aligner, get_detector
from shards.pack.faces.recipes import ALIGNERS

OWN = '''
"""A user's own detector and aligner."""
import numpy as np

from shards.pack.faces.detect import Face


class Middle:
    """Says that a face fills the middle of every picture."""

    version, sha256, device, long_side = "1", "none", "cpu", 160

    def detect(self, small_HW):
        height, width = small_HW.shape
        landmarks = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.6], [0.58, 0.6]])
        box = (0.3 * width, 0.3 * height, 0.4 * width, 0.4 * height)
        return [Face(box, landmarks * [width, height], 0.9)]


class Eyes:
    """Puts the eyes on fixed points."""

    version, template = 3, [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]

    def matrix(self, landmarks_52, size):
        scale = 0.4 * size / (landmarks_52[1, 0] - landmarks_52[0, 0])
        return np.array([[scale, 0, 0.3 * size - scale * landmarks_52[0, 0]],
                         [0, scale, 0.4 * size - scale * landmarks_52[0, 1]]])


class Half:
    """Lacks most of a detector."""

    version = "1"


def needs(name):
    """Cannot be called without arguments."""
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module that holds plug-ins."""
    (tmp_path / "my_faces.py").write_text(OWN)
    (tmp_path / "my_broken.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "my_faces"


def test_built_in_ones() -> None:
    assert isinstance(get_detector("yunet"), YuNet)
    for name in DETECTORS:
        assert get_detector(name).version
    for name in ALIGNERS:
        assert np.shape(get_aligner(name).template) == (5, 2)


def test_ones_own(own: str) -> None:
    (face,) = get_detector(f"{own}:Middle").detect(np.zeros((100, 200), np.uint8))
    aligner = get_aligner(f"{own}:Eyes")
    matrix_23 = aligner.matrix(face.landmarks_52, 50)
    eyes_22 = face.landmarks_52[:2] @ matrix_23[:, :2].T + matrix_23[:, 2]
    np.testing.assert_allclose(eyes_22, np.array(aligner.template[:2]) * 50)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yunnet", r"no detector 'yunnet'; did you mean 'yunet'\?; there are yunet, and package.module:Name"),
        ("no_such.module:X", r"module 'no_such.module' cannot be imported \(No module named 'no_such'\)"),
        ("my_broken:X", r"module 'my_broken' cannot be imported \(No module named 'no_such_package'\)"),
        (":X", r"module '' cannot be imported"),
        (".x:X", r"module '.x' cannot be imported"),
        ("my_faces:Midle", r"my_faces has no 'Midle'; did you mean 'Middle'\?"),
        (
            "my_faces:Half",
            r"'my_faces:Half' lacks sha256, device, long_side, detect; see Detector",
        ),
        ("my_faces:needs", r"cannot be called without arguments \(missing a required argument: 'name'\)"),
        ("my_faces:__name__", r"cannot be called without arguments \('my_faces' is not a callable object\)"),
    ],
)
@pytest.mark.usefixtures("own")
def test_what_is_wrong_is_named(name: str, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        get_detector(name)


@pytest.mark.usefixtures("own")
def test_an_aligner_is_no_detector() -> None:
    with pytest.raises(ShardError, match=r"crop 'my_faces:Middle' lacks template, matrix"):
        get_aligner("my_faces:Middle")
    with pytest.raises(ShardError, match=r"no crop 'face5_wid'; did you mean 'face5_wide'"):
        get_aligner("face5_wid")
