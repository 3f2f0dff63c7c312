import time
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from shards.errors import ShardError
from shards.layouts.layout import Labels, Source
from shards.pack.spool import Piece, VideoSpool, video_hash
from shards.pack.video import Stopwatch, VideoJob, VideoResult, pack_video
from tests.clips import face_clip, face_frames, flat_frames, write_video


def labels_from_one() -> Labels:
    intensity_FA = (np.arange(120)[:, None] % 6).astype(np.int8)
    return Labels(1, None, intensity_FA)


def bad_labels() -> Labels:
    raise ShardError("intensity 6 is outside 0-5")


def run(
    folder: Path, path: Path, frames_per_sample: int = 64, **more: object
) -> tuple[VideoResult, list[Piece]]:
    source = Source("name.mp4", path, "someone", **more)  # type: ignore[arg-type]
    result = pack_video(VideoJob(source, "set", 64, frames_per_sample, 5), folder)
    spool = VideoSpool(folder, video_hash("set", "name.mp4"))
    pieces = [piece for _, piece in spool.lines()]
    for piece in pieces:
        for data in spool.frames(piece):
            assert simplejpeg.decode_jpeg(data).shape == (64, 64, 3)
    return result, pieces


def test_a_track_in_pieces(tmp_path: Path) -> None:
    result, pieces = run(tmp_path, face_clip(), 50)
    prefix = video_hash("set", "name.mp4")
    # 120 frames: 50, 50 and a rest of 20.
    assert [len(piece.length) for piece in pieces] == [50, 50, 20]
    assert [piece.key for piece in pieces] == [f"{prefix}-000-{number:03d}" for number in range(3)]
    assert [piece.next_key for piece in pieces] == [pieces[1].key, pieces[2].key, None]
    assert [number for piece in pieces for number in piece.frame_number] == list(range(120))
    assert (result.frames_read, result.frames_kept, result.failures) == (120, 120, [])
    assert set(result.stage_seconds) == {"decode", "detect", "track", "colour", "align", "encode"}
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
    assert [failure.stage for failure in result.failures] == ["decode"]


def test_a_stage_inside_another_is_counted_once() -> None:
    def burn(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    watch = Stopwatch()
    with watch.stage("outer"):
        burn(0.02)
        with watch.stage("inner"):
            burn(0.05)
    assert watch.seconds["inner"] == pytest.approx(0.05, abs=0.02)
    assert watch.seconds["outer"] == pytest.approx(0.02, abs=0.02)
