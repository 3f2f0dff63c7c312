from dataclasses import replace

import numpy as np
import pytest

from finetune.faces import PIECE_FRAMES, FramesSeen, face_pieces, made_ahead, refuse_other_recipe
from pretrain.config import ConfigError
from shards.batch import ClipSpec
from shards.errors import ShardError
from shards.evaluation import EvaluationPlan
from shards.pack.frames.trouble import VideoError
from shards.pack.job import PackConfig
from shards.pack.pack import pack
from shards.stream import stream_clips
from shards.stream_config import StreamConfig
from shards.tracks import load_tracks


def test_frames_equal_those_that_packing_stores(face_video, real_recipe, tmp_path):
    """A model must see the same pixels in use as in training."""
    url = str(tmp_path / "set")
    pack(PackConfig(str(face_video.parent.parent), url, "disfa", size=real_recipe.size, workers=1))
    tracks = load_tracks(url)
    assert tracks.manifest.recipe.digest == real_recipe.digest
    plan = EvaluationPlan(tracks, ClipSpec(64, whole=True), 1)
    _, clips = next(stream_clips(tracks, plan, StreamConfig()))
    seen = FramesSeen()
    pieces = list(face_pieces(face_video, real_recipe, seen))
    frames = np.concatenate([piece.frames_THWC for piece in pieces])
    assert seen.count == len(frames) == 30
    np.testing.assert_array_equal(frames, clips.frames_BTHWC[0, :30])
    assert [piece.last for piece in pieces] == [True]
    assert PIECE_FRAMES >= 30


def test_long_tracks_come_in_pieces(face_video, real_recipe, monkeypatch):
    monkeypatch.setattr("finetune.faces.PIECE_FRAMES", 8)
    pieces = list(face_pieces(face_video, real_recipe, FramesSeen()))
    assert [len(piece.frames) for piece in pieces] == [8, 8, 8, 6]
    assert [piece.last for piece in pieces] == [False, False, False, True]
    assert [number for piece in pieces for number in piece.frame_number] == list(range(30))


def test_pieces_made_ahead_are_the_same_and_damage_comes_after_them(face_video, real_recipe, monkeypatch):
    monkeypatch.setattr("finetune.faces.PIECE_FRAMES", 8)
    wanted = list(face_pieces(face_video, real_recipe, FramesSeen()))

    def damaged():
        yield from wanted
        raise VideoError("decode", "truncated", "it ends in damage")

    pieces = made_ahead(damaged())
    assert all(next(pieces) is piece for piece in wanted)
    with pytest.raises(VideoError, match="it ends in damage"):
        next(pieces)
    others = list(made_ahead(face_pieces(face_video, real_recipe, FramesSeen())))
    for piece, other in zip(wanted, others, strict=True):
        assert piece.frame_number == other.frame_number
        np.testing.assert_array_equal(piece.frames_THWC, other.frames_THWC)


OWN = """
from shards.pack.faces.detect import Face, YuNet
from shards.pack.faces.recipes import face5_tight as near

class Upper(YuNet):
    version = "upper-1"

    def detect(self, small_HW):
        rows = small_HW.shape[0] * 9 // 10
        return super().detect(small_HW[:rows].copy())
"""


def test_a_model_s_own_detector_and_crop_serve_it(face_video, tmp_path, monkeypatch):
    """What packed the training data is built again from the recipe, by name."""
    (tmp_path / "my_lab.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    url = str(tmp_path / "set")
    settings = {"size": 32, "detector": "my_lab:Upper", "crop": "my_lab:near", "workers": 1}
    pack(PackConfig(str(face_video.parent.parent), url, "disfa", **settings))
    tracks = load_tracks(url)
    recipe = tracks.manifest.recipe
    assert (recipe.name, recipe.detector, recipe.detector_version) == (
        "my_lab:near",
        "my_lab:Upper",
        "upper-1",
    )
    refuse_other_recipe(recipe)
    _, clips = next(stream_clips(tracks, EvaluationPlan(tracks, ClipSpec(64, whole=True), 1), StreamConfig()))
    frames = np.concatenate([piece.frames_THWC for piece in face_pieces(face_video, recipe, FramesSeen())])
    np.testing.assert_array_equal(frames, clips.frames_BTHWC[0, : len(frames)])
    monkeypatch.setattr("my_lab.Upper.version", "upper-2")
    with pytest.raises(ConfigError, match=r"detector_version: model 'upper-1', here 'upper-2'"):
        refuse_other_recipe(recipe)
    with pytest.raises(ConfigError, match=r"cannot be cropped here: detector 'elsewhere:Upper': module"):
        refuse_other_recipe(replace(recipe, detector="elsewhere:Upper"))
    with pytest.raises(ConfigError, match=r"here: there is no crop 'face6'; did you mean 'face5_wide'"):
        refuse_other_recipe(replace(recipe, name="face6"))


def test_messages(real_recipe, tmp_path):
    refuse_other_recipe(real_recipe)
    with pytest.raises(ConfigError, match=r"cropped in another way.* version: model 9, here 2"):
        refuse_other_recipe(replace(real_recipe, version=9))
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ShardError, match="not_a_video"):
        list(face_pieces(tmp_path / "a.mp4", real_recipe, FramesSeen()))
