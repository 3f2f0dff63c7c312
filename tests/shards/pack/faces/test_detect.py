from pathlib import Path

import numpy as np
import pytest

from shards.errors import ShardError
from shards.pack.faces import detect
from shards.pack.faces.detect import YuNet
from tests.clips import face_frames, flat_frames


def test_a_face_and_none() -> None:
    detector = YuNet()
    (face,) = detector.detect(face_frames(1)[0][..., 1].copy())
    assert face.score > 0.8
    right_eye, left_eye, nose, *mouth = face.landmarks_52
    assert right_eye[0] < left_eye[0]  # the subject's right is the viewer's left
    assert right_eye[1] < nose[1] < min(corner[1] for corner in mouth)
    assert detector.detect(flat_frames(1)[0][..., 0].copy()) == []


def test_another_size_in_between() -> None:
    detector = YuNet()
    picture = face_frames(1)[0][..., 1].copy()
    first = detector.detect(picture)
    detector.detect(np.zeros((90, 160), np.uint8))
    assert detector.detect(picture)[0].box == first[0].box


def test_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detect.model_bytes.cache_clear()
    monkeypatch.setattr(detect, "MODEL", tmp_path / "model.onnx")
    with pytest.raises(ShardError, match="is missing; install facscale again"):
        YuNet()
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(ShardError, match="another or a damaged model"):
        YuNet()
