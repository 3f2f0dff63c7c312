import numpy as np
import pytest

from shards.pack.faces.recipes import ALIGNERS, TIGHT, WIDE, face5_tight, face5_wide
from shards.schema import digest_of


def test_a_template_has_its_version() -> None:
    """A changed number is another crop: raise the version, then write the new digest here."""
    assert {name: (made().version, digest_of(made().template)[:12]) for name, made in ALIGNERS.items()} == {
        "face5_wide": (2, "89903c94a670"),
        "face5_tight": (1, "ed85f24cdd92"),
    }


@pytest.mark.parametrize("template", [WIDE, TIGHT])
def test_a_template_is_a_face(template: list[list[float]]) -> None:
    right_eye, left_eye, nose, right_mouth, left_mouth = np.array(template)
    assert right_eye[0] < right_mouth[0] < nose[0] < left_mouth[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1]) < 0.9


def test_the_tight_crop_is_nearer() -> None:
    landmarks_52 = np.array(WIDE) * 300 + [40, 20]
    wide, tight = (
        float(np.hypot(*made().matrix(landmarks_52, 112)[0, :2])) for made in (face5_wide, face5_tight)
    )
    assert 1.1 < tight / wide < 1.25


def test_the_tight_crop_s_eyes_stand_where_face_recognition_has_them() -> None:
    landmarks_52 = np.array(TIGHT) * 200 + 30
    matrix_23 = face5_tight().matrix(landmarks_52, 112)
    eyes_22 = landmarks_52[:2] @ matrix_23[:, :2].T + matrix_23[:, 2]
    np.testing.assert_allclose(eyes_22, [[38.2946, 51.6963], [73.5318, 51.5014]], atol=1e-6)
