from pathlib import Path

import numpy as np
import pytest

from shards.pack.frames.decode import VideoError, read_frames
from shards.video import write_video as write_generated
from tests.clips import face_clip, face_frames, flat_frames, turned, write_sound, write_video
from tests.odd_videos import Form, encode


def refuse(stage: str, reason: str, detail: str) -> None:
    raise AssertionError(f"nothing should be told: {stage}, {reason}, {detail}")


def test_frames_times_and_small_pictures() -> None:
    frames = list(read_frames(face_clip(), 88, refuse))
    assert [frame.index for frame in frames] == list(range(120))
    np.testing.assert_allclose(
        [frame.time_seconds for frame in frames], np.arange(120) * 1001 / 30000, atol=1e-5
    )
    # 176x144 pixels, each 128:117 as wide as high.
    assert {frame.small_HW.shape for frame in frames} == {(66, 88)}
    assert frames[0].rgb_HWC.shape == (144, 193, 3)


def test_a_turned_video_stands_upright(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", face_frames(4))
    (first, *_), (other, *_) = (
        list(read_frames(path, 88, refuse)) for path in (plain, turned(plain, tmp_path / "turned.mp4"))
    )
    assert other.rgb_HWC.shape == (176, 144, 3)
    np.testing.assert_array_equal(other.rgb_HWC, np.rot90(first.rgb_HWC, -1))
    np.testing.assert_array_equal(other.small_HW, np.rot90(first.small_HW, -1))


def fails(path: Path) -> tuple[int, str, str]:
    """Frames before the end, stage and reason."""
    seen: list[int] = []
    with pytest.raises(VideoError) as caught:
        seen.extend(frame.index for frame in read_frames(path, 88, lambda *_: None))
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
    times = [frame.time_seconds for frame in read_frames(tmp_path / "b.avi", 64, refuse)]
    assert times == pytest.approx([i / 20 for i in range(40)])


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".h264", {}),
        (".ts", {}),
        (".mkv", {"live": "1"}),
        (".mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        (".flv", {"flvflags": "no_duration_filesize"}),
    ],
)
def test_no_duration_in_the_header(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = encode(tmp_path / f"live{suffix}", flat_frames(20), Form(container_options=options))
    frames = list(read_frames(path, 88, refuse))
    assert [frame.index for frame in frames] == list(range(20))
    steps = np.diff([frame.time_seconds for frame in frames])
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_a_cut_file_that_promised_seconds(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"x{suffix}", face_frames(50), Form())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count, stage, reason = fails(path)
    assert 10 < count < 40
    assert (stage, reason) == ("decode", "truncated")


def test_a_size_and_a_pixel_format_that_change_on_the_way(tmp_path: Path) -> None:
    """Faces are followed between small pictures of one size; each frame has its own scale to them."""
    forms = {(96, 160): "yuv420p", (120, 80): "yuv444p", (48, 64): "yuv420p10le"}
    path = tmp_path / "changes.h264"
    with path.open("wb") as joined:
        for (height, width), pixel_format in forms.items():
            pictures = [np.full((height, width, 3), 90, np.uint8)] * 5
            form = Form(pixel_format=pixel_format)
            joined.write(encode(tmp_path / "part.h264", pictures, form).read_bytes())
    frames = list(read_frames(path, 160, refuse))
    assert [frame.rgb_HWC.shape[:2] for frame in frames] == [shape for shape in forms for _ in range(5)]
    assert {frame.small_HW.shape for frame in frames} == {(96, 160)}
    assert [frame.scale for frame in frames[::5]] == pytest.approx([1, 96 / 120, 2])
    assert {int(np.ptp(frame.rgb_HWC.astype(int) - 90)) for frame in frames} <= {0, 1, 2}
    assert all(abs(int(frame.small_HW[0, 0]) - 93) <= 3 for frame in frames)


@pytest.mark.parametrize("shape", [(241, 321), (17, 17), (1, 1), (2, 16384), (16384, 2), (2160, 3840)])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 200, np.uint8)
    path = encode(tmp_path / "x.mov", [picture] * 2, Form("png", "rgb24", {}))
    for frame in read_frames(path, 320, refuse):
        np.testing.assert_array_equal(frame.rgb_HWC, picture)
        assert frame.small_HW.min() == 200
        assert max(frame.small_HW.shape) == min(320, max(96, *shape))


def test_a_moving_gif_and_one_picture(tmp_path: Path) -> None:
    for codec, pixel_format, suffix, count in (("gif", "rgb8", "gif", 5), ("libx264", "yuv420p", "mp4", 1)):
        path = encode(tmp_path / f"x.{suffix}", flat_frames(count), Form(codec, pixel_format, {}))
        frames = list(read_frames(path.rename(tmp_path / f"{codec}.mp4"), 88, refuse))
        assert [frame.index for frame in frames] == list(range(count))


def test_an_edit_list_leaves_out_what_is_not_shown(tmp_path: Path) -> None:
    """B-frames start before zero; the list in the header puts the first shown frame at zero."""
    form = Form(options={"bf": "2", "crf": "20"})
    frames = list(read_frames(encode(tmp_path / "x.mp4", face_frames(20), form), 88, refuse))
    assert [frame.time_seconds for frame in frames] == pytest.approx([i / 25 for i in range(20)])


def resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    pictures = (np.full((64, 64, 3), 40 + number % 160, np.uint8) for number in range(3600))
    path = encode(tmp_path / "hour.mp4", pictures, Form("mpeg4", options={}, rate=1))
    after: dict[int, float] = {}
    for frame in read_frames(path, 64, refuse):
        if frame.index in (300, 3500):
            after[frame.index] = resident_mib()
    assert frame.time_seconds == pytest.approx(3599)
    assert after[3500] - after[300] < 8
