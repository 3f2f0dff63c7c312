from pathlib import Path

import numpy as np
import pytest

from shards.pack.decode import VideoError, read_frames
from shards.video import write_video as write_generated
from tests.clips import face_clip, face_frames, flat_frames, turned, write_sound, write_video


def test_frames_times_and_small_pictures() -> None:
    frames = list(read_frames(face_clip(), 88))
    assert [frame.index for frame in frames] == list(range(120))
    np.testing.assert_allclose(
        [frame.time_seconds for frame in frames], np.arange(120) * 1001 / 30000, atol=1e-5
    )
    assert {frame.small_HW.shape for frame in frames} == {(72, 88)}
    assert frames[0].rgb_HWC.shape == (144, 176, 3)


def test_a_turned_video_stands_upright(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", face_frames(4))
    (first, *_), (other, *_) = (
        list(read_frames(path, 88)) for path in (plain, turned(plain, tmp_path / "turned.mp4"))
    )
    assert other.rgb_HWC.shape == (176, 144, 3)
    np.testing.assert_array_equal(other.rgb_HWC, np.rot90(first.rgb_HWC, -1))
    np.testing.assert_array_equal(other.small_HW, np.rot90(first.small_HW, -1))


def fails(path: Path) -> tuple[int, str, str]:
    """Frames before the end, stage and reason."""
    seen: list[int] = []
    with pytest.raises(VideoError) as caught:
        seen.extend(frame.index for frame in read_frames(path, 88))
    assert str(path.parent) not in caught.value.detail
    return len(seen), caught.value.stage, caught.value.reason


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(10_000))
    write_sound(tmp_path / "sound.wav")
    assert fails(tmp_path / "zero.mp4") == (0, "open", "empty_file")
    assert fails(tmp_path / "garbage.mp4") == (0, "open", "not_a_video")
    assert fails(tmp_path / "sound.wav") == (0, "open", "no_video_stream")


def test_a_file_cut_in_the_middle_gives_its_first_half(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", flat_frames(60)).read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    count, stage, reason = fails(tmp_path / "cut.avi")
    assert 10 < count < 50
    assert (stage, reason) in {("decode", "truncated"), ("decode", "decode_error")}


def test_times_rise_evenly_in_an_avi_with_b_frames(tmp_path: Path) -> None:
    moving = (np.full((64, 64, 3), 8 * (i % 30), np.uint8) for i in range(40))
    write_generated(tmp_path / "b.avi", moving, fps=20, size=64)
    times = [frame.time_seconds for frame in read_frames(tmp_path / "b.avi", 64)]
    assert times == pytest.approx([i / 20 for i in range(40)])
