import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from shards.layouts.layout import Source
from shards.pack.frames.decode import VideoError
from shards.pack.frames.source import decode_image, numbered_images, read_source, small_luma
from shards.pack.limits import memory_limit
from shards.pack.origin import LocalOrigin, fingerprint
from shards.pack.spool import VideoSpool, video_hash
from shards.pack.video import pack_video
from tests.clips import face_clip, face_frames
from tests.video_jobs import video_job

Told = list[tuple[str, str, str]]


def write_jpeg(path: Path, rgb_HWC: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb_HWC), 95))


def read(source: Source) -> tuple[list[tuple[int, float]], Told]:
    told: Told = []
    frames = read_source(source, 88, lambda *words: told.append(words))
    return [(frame.index, frame.time_seconds) for frame in frames], told


def test_any_width_of_the_number(tmp_path: Path) -> None:
    frame = face_frames(1)[0]
    for name in ("0009", "010", "11", "2440"):
        write_jpeg(tmp_path / f"{name}.jpg", frame)
    found, told = read(Source("x", tmp_path, "x", frame_rate=25))
    assert found == [(9, 0.36), (10, 0.4), (11, 0.44), (2440, 97.6)]
    assert told == []


def test_videos_and_single_pictures_by_the_same_door(tmp_path: Path) -> None:
    found, _ = read(Source("x", face_clip(), "x"))
    assert len(found) == 120
    write_jpeg(tmp_path / "train_00001_aligned.jpg", face_frames(1)[0])
    assert read(Source("x", tmp_path / "train_00001_aligned.jpg", "x")) == ([(0, 0.0)], [])


def test_what_is_no_frame_is_told(tmp_path: Path) -> None:
    frame = face_frames(1)[0]
    for name in ("1.jpg", "01.jpg", "2.jpg", "3.jpg", "4.png"):
        write_jpeg(tmp_path / name, frame)
    (tmp_path / "2.jpg").write_bytes((tmp_path / "2.jpg").read_bytes()[:2000])
    (tmp_path / "3.jpg").write_bytes(b"")
    (tmp_path / "4.png").write_bytes(b"nothing")
    for name in ("notes.txt", "face.jpg", "0001.obj", "0001.mtl"):
        (tmp_path / name).touch()
    found, told = read(Source("x", tmp_path, "x"))
    assert [number for number, _ in found] == [1]
    assert [(stage, reason, detail.split()[0].rstrip(":")) for stage, reason, detail in told] == [
        ("open", "same_frame_number", "1.jpg"),
        ("open", "unknown_file", "face.jpg"),
        ("open", "unknown_file", "notes.txt"),
        ("decode", "unreadable_image", "2.jpg"),
        ("decode", "unreadable_image", "3.jpg"),
        ("decode", "unreadable_image", "4.png"),
    ]


@pytest.mark.parametrize("names", [[], ["1.jpg"]])
def test_no_frame_at_all(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(VideoError, match=f"no_frames: none of {len(names)} pictures could be read"):
        read(Source("x", tmp_path, "x"))


def test_png_is_rgb_too(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    cv2.imwrite(str(tmp_path / "1.png"), red[:, :, ::-1])
    np.testing.assert_array_equal(decode_image(tmp_path / "1.png"), red)


@pytest.mark.parametrize("height", [40, 100, 300])
@pytest.mark.parametrize("width", [40, 100, 300])
def test_pictures_of_other_sizes_are_fitted(height: int, width: int) -> None:
    first, _ = small_luma(np.full((200, 150, 3), 90, np.uint8), 88, None)
    assert first.shape == (88, 66)
    small_HW, scale = small_luma(np.full((height, width, 3), 90, np.uint8), 88, (88, 66))
    assert small_HW.shape == (88, 66)
    assert scale == min(88 / height, 66 / width)
    inside = small_HW[: round(height * scale), : round(width * scale)]
    assert (inside == 90).all()
    assert (small_HW == 90).sum() == inside.size


def test_tiny_pictures_are_enlarged_for_the_detector() -> None:
    small_HW, scale = small_luma(np.full((48, 40, 3), 90, np.uint8), 320, None)
    assert (small_HW.shape, scale) == ((96, 80), 2.0)
    assert small_luma(np.zeros((97, 97, 3), np.uint8), 320, None)[1] == 1.0


def test_a_folder_packs_like_its_video(tmp_path: Path) -> None:
    for number, frame in enumerate(face_frames(30), start=1):
        if number not in (12, 13):
            size = (176, 144) if number % 2 else (132, 108)
            write_jpeg(tmp_path / "in" / f"{number}.jpg", cv2.resize(frame, size))
    source = Source("x", tmp_path / "in", "someone", frame_rate=25)
    result = pack_video(video_job(source, 64, 64), tmp_path)
    assert result.failures == []
    pieces = [piece for _, piece in VideoSpool(tmp_path, video_hash("set", "x")).lines()]
    (piece,) = pieces
    assert piece.frame_number == [number for number in range(1, 31) if number not in (12, 13)]
    assert piece.time_seconds == pytest.approx([number / 25 for number in piece.frame_number])
    eyes = np.array(piece.landmarks).reshape(-1, 5, 2)[:, 0, 0]
    odd = np.array(piece.frame_number) % 2 == 1
    assert eyes[odd].mean() / eyes[~odd].mean() == pytest.approx(4 / 3, rel=0.05)


def test_one_picture_is_a_sample_where_the_source_says_so(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "1.jpg", face_frames(1)[0])
    for shortest, reasons in ((1, []), (8, ["too_short"])):
        source = Source("x", tmp_path / "1.jpg", "someone", shortest_track=shortest)
        result = pack_video(video_job(source, 64, 64), tmp_path)
        assert [failure.reason for failure in result.failures] == reasons
        assert result.frames_kept == (0 if reasons else 1)


def test_sparse_pictures_are_all_searched(tmp_path: Path) -> None:
    for number, frame in enumerate(face_frames(12)):
        write_jpeg(tmp_path / "in" / f"{number}.jpg", frame)
    for rate, searched in ((1.0, 12), (25.0, 4)):
        source = Source("x", tmp_path / "in", "someone", frame_rate=rate)
        pack_video(video_job(source, 64, 64), tmp_path)
        ((_, piece),) = VideoSpool(tmp_path, video_hash("set", "x")).lines()
        assert sum(score is not None for score in piece.score) == searched


def test_the_fingerprint_of_a_folder_sees_its_pictures(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}.jpg").write_bytes(bytes([number]) * 20)
    source = Source("x", tmp_path, "x")
    found = {fingerprint(source, LocalOrigin(tmp_path)), fingerprint(source, LocalOrigin(tmp_path))}
    assert len(found) == 1
    (tmp_path / "3.jpg").write_bytes(b"other" * 4)
    found.add(fingerprint(source, LocalOrigin(tmp_path)))
    (tmp_path / "2.jpg").write_bytes(b"longer" * 4)
    found.add(fingerprint(source, LocalOrigin(tmp_path)))
    (tmp_path / "4.jpg").touch()
    found.add(fingerprint(source, LocalOrigin(tmp_path)))
    assert len(found) == 4


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims so many pixels and holds none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def test_pictures_that_claim_too_much_cost_only_themselves(tmp_path: Path) -> None:
    frame = face_frames(1)[0]
    for number in (1, 5):
        write_jpeg(tmp_path / f"{number}.jpg", frame)
    (tmp_path / "2.png").write_bytes(png_header(100_000, 100_000))
    (tmp_path / "3.png").write_bytes(png_header(30_000, 30_000))
    jpeg = bytearray((tmp_path / "1.jpg").read_bytes())
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", 65_500, 65_500)
    (tmp_path / "4.jpg").write_bytes(jpeg)
    with memory_limit(2**30):
        found, told = read(Source("x", tmp_path, "x"))
    assert [number for number, _ in found] == [1, 5]
    assert [(reason, detail.partition(":")[0]) for _, reason, detail in told] == [
        ("unreadable_image", name) for name in ("2.png", "3.png", "4.jpg")
    ]


def test_a_picture_is_what_it_holds_not_what_it_is_called(tmp_path: Path) -> None:
    frame = face_frames(1)[0]
    write_jpeg(tmp_path / "jpeg.png", frame)
    cv2.imwrite(str(tmp_path / "x.png"), frame[:, :, ::-1])
    (tmp_path / "x.png").rename(tmp_path / "png.jpg")
    np.testing.assert_array_equal(decode_image(tmp_path / "png.jpg"), frame)
    np.testing.assert_allclose(decode_image(tmp_path / "jpeg.png").mean(), frame.mean(), atol=1)


def test_numbers_beyond_any_recording_are_no_frames(tmp_path: Path) -> None:
    for name in ("7", "9" * 30, "9" * 200):
        (tmp_path / f"{name}.jpg").touch()
    told: Told = []
    assert [n for n, _ in numbered_images(tmp_path, lambda *words: told.append(words))] == [7]
    assert [reason for _, reason, _ in told] == ["unknown_file"] * 2


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "100"):
        (tmp_path / f"{name}.jpg").touch()
    assert [number for number, _ in numbered_images(tmp_path, lambda *_: None)] == [9, 10, 100]
