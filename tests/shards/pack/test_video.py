from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.layout import Labels, Source
from shards.pack.faces.quality import Gates
from shards.pack.spool import Piece, VideoSpool, video_hash
from shards.pack.video import VideoResult, pack_video
from tests.clips import face_clip, face_frames, flat_frames, write_video
from tests.video_jobs import video_job

NO_GATES = Gates(least_eye_pixels=0)


def labels_from_one() -> Labels:
    intensity_FA = (np.arange(120)[:, None] % 6).astype(np.int8)
    return Labels(1, None, intensity_FA)


def bad_labels() -> Labels:
    raise ShardError("intensity 6 is outside 0-5")


def run(
    folder: Path,
    path: Path,
    frames_per_sample: int = 64,
    gates: Gates = NO_GATES,
    crop: str = "face5_wide",
    **more: object,
) -> tuple[VideoResult, list[Piece]]:
    source = Source("name.mp4", path, "someone", **more)
    job = video_job(source, 64, frames_per_sample, gates=gates, crop=crop)
    result = pack_video(job, folder)
    spool = VideoSpool(folder, video_hash("set", "name.mp4"))
    pieces = [piece for _, piece in spool.lines()]
    for piece in pieces:
        for data in spool.frames(piece):
            assert simplejpeg.decode_jpeg(data).shape == (64, 64, 3)
    return result, pieces


def test_a_video_that_vanished_is_a_line_in_the_ledger(tmp_path: Path) -> None:
    result, pieces = run(tmp_path, tmp_path / "gone.mp4")
    assert pieces == []
    ((line),) = [(failure.stage, failure.reason) for failure in result.failures]
    assert line == ("open", "not_readable")


def test_a_track_in_pieces(tmp_path: Path) -> None:
    result, pieces = run(tmp_path, face_clip(), 50)
    prefix = video_hash("set", "name.mp4")
    # 120 frames: 50, 50 and a rest of 20.
    assert [len(piece.length) for piece in pieces] == [50, 50, 20]
    assert [piece.key for piece in pieces] == [f"{prefix}-000-{number:03d}" for number in range(3)]
    assert [piece.next_key for piece in pieces] == [pieces[1].key, pieces[2].key, None]
    assert [number for piece in pieces for number in piece.frame_number] == list(range(120))
    assert (result.frames_read, result.frames_kept, result.failures) == (120, 120, [])
    stages = {"decode", "detect", "track", "colour", "align", "encode", "quality"}
    assert set(result.stage_seconds) == stages
    assert pieces[0].score[0] is not None
    assert pieces[0].score[1] is None


def test_a_short_rest_joins_the_piece_before(tmp_path: Path) -> None:
    _, pieces = run(tmp_path, face_clip(), 57)
    assert [len(piece.length) for piece in pieces] == [57, 63]  # not 57, 57 and 6


def test_labels_join_on_the_layout_s_numbers(tmp_path: Path) -> None:
    _, pieces = run(tmp_path, face_clip(), first_frame=1, load_labels=labels_from_one)
    assert pieces[0].frame_number[0] == 1
    assert pieces[0].occurrence is None
    assert pieces[0].intensity == [[number % 6] for number in range(64)]


def test_bad_labels_are_named_and_the_video_packed(tmp_path: Path) -> None:
    result, pieces = run(tmp_path, face_clip(), load_labels=bad_labels)
    assert [(failure.stage, failure.reason) for failure in result.failures] == [("label", "bad_labels")]
    assert "intensity 6" in result.failures[0].detail
    assert len(pieces) == 2


def test_two_people_are_two_tracks(tmp_path: Path) -> None:
    both = [np.hstack([frame, frame[:, ::-1]]) for frame in face_frames(20)]
    result, pieces = run(tmp_path, write_video(tmp_path / "two.mp4", both))
    assert [(piece.track, len(piece.length)) for piece in pieces] == [(0, 20), (1, 20)]
    assert result.failures == []
    sides = [np.array(piece.landmarks)[:, ::2].mean() for piece in pieces]
    assert (sides[0] < 176) != (sides[1] < 176)


def test_no_face_and_too_short_are_different(tmp_path: Path) -> None:
    result, pieces = run(tmp_path, write_video(tmp_path / "flat.mp4", flat_frames(12)))
    assert pieces == []
    assert [(failure.stage, failure.reason) for failure in result.failures] == [("detect", "no_face")]
    brief = [*flat_frames(6), *face_frames(7), *flat_frames(6)]
    result, pieces = run(tmp_path, write_video(tmp_path / "brief.mp4", brief))
    assert pieces == []
    (failure,) = result.failures
    assert (failure.stage, failure.reason, failure.track) == ("track", "too_short", 0)


def test_damage_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", face_frames(120)).read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    result, pieces = run(tmp_path, tmp_path / "cut.avi")
    assert 20 < sum(len(piece.length) for piece in pieces) < 100
    assert {failure.stage for failure in result.failures} == {"decode"}
    assert result.failures[-1].reason == "truncated"


def blurred(frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(frame_HWC, (0, 0), 2.5), np.uint8)


def test_a_blurred_piece_is_left_out_and_named(tmp_path: Path) -> None:
    frames = face_frames(120)
    frames[48:72] = [blurred(frame) for frame in frames[48:72]]
    path = write_video(tmp_path / "blurred.mp4", frames)
    _, everything = run(tmp_path, path, 24)
    sharpness = [piece.quality["sharpness"] for piece in everything]
    assert [len(piece.length) for piece in everything] == [24] * 5
    result, pieces = run(tmp_path, path, 24, Gates(least_sharpness=0.45))
    assert [piece.piece for piece in pieces] == [0, 1, 3, 4]
    assert [piece.next_key for piece in pieces] == [pieces[1].key, None, pieces[3].key, None]
    assert [piece.quality for piece in pieces] == [everything[number].quality for number in (0, 1, 3, 4)]
    (failure,) = result.failures
    assert (failure.stage, failure.reason, failure.track) == ("quality", "too_blurred", 0)
    assert failure.detail == f"sharpness {sharpness[2]}, wanted 0.45; 24 frames from 48 to 71"
    assert (result.frames_read, result.frames_kept, failure.frames) == (120, 96, 24)


def test_a_blurred_frame_does_not_cut_a_track(tmp_path: Path) -> None:
    frames = face_frames(60)
    frames[20:24] = [blurred(frame) for frame in frames[20:24]]
    result, pieces = run(
        tmp_path, write_video(tmp_path / "once.mp4", frames), gates=Gates(least_sharpness=0.45)
    )
    assert [len(piece.length) for piece in pieces] == [60]
    assert result.failures == []


def test_the_quality_of_a_real_face(tmp_path: Path) -> None:
    _, pieces = run(tmp_path, face_clip())
    for piece in pieces:
        eyes_T2 = np.diff(np.array(piece.landmarks).reshape(-1, 5, 2)[:, :2], axis=1)[:, 0]
        apart = float(np.median(np.linalg.norm(eyes_T2, axis=1)))
        assert piece.quality["eye_pixels"] == pytest.approx(apart, rel=0.15)
        assert piece.quality["yaw_degrees"] < 30
        scores = [score for score in piece.score if score is not None]
        assert piece.quality["score"] == pytest.approx(np.median(scores), abs=1e-4)


def test_the_job_s_crop_is_made(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "brief.mp4", face_frames(10))
    shown = []
    for crop in ("face5_wide", "face5_tight"):
        _, (piece,) = run(tmp_path, clip, crop=crop)
        spool = VideoSpool(tmp_path, video_hash("set", "name.mp4"))
        shown.append(simplejpeg.decode_jpeg(spool.frames(piece)[0]).astype(int))
    assert np.abs(shown[0] - shown[1]).mean() > 10


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    VideoSpool(tmp_path, video_hash("set", "name.mp4")).frames_path.symlink_to("/dev/full")
    with pytest.raises(ShardError, match=r"no room is left in .* give another folder with --spool"):
        run(tmp_path, face_clip())
