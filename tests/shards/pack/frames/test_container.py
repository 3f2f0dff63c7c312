import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from shards.pack.frames.container import open_video
from shards.pack.frames.decode import read_frames
from tests.clips import flat_frames, write_sound
from tests.odd_videos import Form, encode, read
from tests.rights import unprivileged, unprivileged_folder


def reasons(path: Path) -> list[str]:
    frames, told = read(path)
    assert frames == []
    assert all(str(path.parent) not in detail for _, _, detail in told)
    return [reason for _, reason, _ in told]


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port, and who connected to it."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                came.append("connected")
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


def test_a_playlist_opens_no_other_file_and_no_host(tmp_path: Path, listener: tuple[int, list[str]]) -> None:
    port, came = listener
    secret = encode(tmp_path / "secret.ts", flat_frames(12), Form())
    http = f"http://127.0.0.1:{port}/a.ts"
    playlists = {
        "concat.mp4": "ffconcat version 1.0\nfile secret.ts\n",
        "concat_http.mp4": f"ffconcat version 1.0\nfile {http}\n",
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "hls.m3u8.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "hls_http.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{http}\n#EXT-X-ENDLIST\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>{http}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        "session.mp4": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
    }
    for name, content in playlists.items():
        (tmp_path / name).write_text(content)
        assert reasons(tmp_path / name) == ["not_a_video"], name
    assert came == []
    with av.open(str(tmp_path / "concat.mp4")) as container:  # what it would be without the list of formats
        assert container.format.name == "concat"


def test_a_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that FFmpeg takes for protocols and patterns, and some that are hard to write down."""
    video = encode(tmp_path / "plain.mp4", flat_frames(3), Form()).read_bytes()
    monkeypatch.chdir(tmp_path)
    awkward = os.fsdecode(b"caf\xe9.mp4")
    for name in (
        *("concat:plain.mp4|plain.mp4", "http:x.mp4", "data:video.mp4", "pipe:0.mp4", "a%03d.mp4", "-.mp4"),
        *("*.mp4", "Gesicht \u00e4\u2603\U0001f600.mp4", "v1.2.final.mp4", "two\nlines.mp4", ".mp4", awkward),
    ):
        Path(name).write_bytes(video)
        frames, told = read(Path(name))
        assert (len(frames), told) == (3, []), name


def test_a_wrong_suffix_is_not_looked_at(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".webm", ".ts", ".flv", ".gif"):
        codec = {".webm": "libvpx-vp9", ".gif": "gif"}.get(suffix, "libx264")
        form = Form(codec, "rgb8" if codec == "gif" else "yuv420p", {})
        path = encode(tmp_path / f"right{suffix}", flat_frames(6), form)
        path = path.rename(tmp_path / f"was{suffix}.avi")
        frames, told = read(path)
        assert (len(frames), told) == (6, []), suffix


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    files = {
        "text.mp4": (b"No video, just a few words.\n" * 50, "not_a_video"),
        "zip.mp4": (b"PK\x03\x04" + bytes(200), "not_a_video"),
        "zeros.mp4": (bytes(5000), "not_a_video"),
        "noise.mp4": (np.random.default_rng(0).bytes(5000), "not_a_video"),
        "one.mp4": (b"\0", "not_a_video"),
        "page.mp4": (b"<!DOCTYPE html><html><body>404</body></html>", "not_a_video"),
        "subtitles.mp4": (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n", "not_a_video"),
        "drawing.mp4": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "not_a_video"),
        "zero.mp4": (b"", "empty_file"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        assert reasons(tmp_path / name) == [reason], name
    write_sound(tmp_path / "sound.wav").rename(tmp_path / "sound.mp4")
    assert reasons(tmp_path / "sound.mp4") == ["no_video_stream"]


def test_a_picture_under_a_video_s_name_is_one_frame(tmp_path: Path) -> None:
    for codec, pixel_format, suffix in (("png", "rgb24", "png"), ("mjpeg", "yuvj420p", "jpg")):
        path = encode(tmp_path / f"x.{suffix}", flat_frames(1), Form(codec, pixel_format, {}))
        frames, told = read(path.rename(tmp_path / f"{suffix}.mp4"))
        assert (len(frames), told) == (1, [])


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "lost.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert reasons(tmp_path / "folder.mp4") == ["not_a_file"]
    assert reasons(tmp_path / "pipe.mp4") == ["not_a_file"]
    assert reasons(tmp_path / "lost.mp4") == ["not_readable"]
    assert reasons(tmp_path / "loop.mp4") == ["not_readable"]


def test_a_file_that_may_not_be_read() -> None:
    with unprivileged_folder() as folder:
        path = encode(folder / "shut.mp4", flat_frames(1), Form())
        path.chmod(0)
        with unprivileged():
            assert reasons(path) == ["not_readable"]


def two_streams(path: Path, sizes: list[tuple[int, int]], cover: int | None, default: int | None) -> Path:
    """A video stream for each (width, height), 6 frames, as bright as 40 times its number."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, (width, height) in enumerate(sizes):
            stream = container.add_stream("mjpeg" if number == cover else "libx264", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuvj420p" if number == cover else "yuv420p"
            flags = av.stream.Disposition(0)
            if number == cover:
                flags |= av.stream.Disposition.attached_pic
            if number == default:
                flags |= av.stream.Disposition.default
            stream.disposition = flags
            streams.append(stream)
        for number, stream in enumerate(streams):
            for _ in range(1 if number == cover else 6):
                pixels = np.full((stream.height, stream.width, 3), 40 + 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    return path


def test_the_cover_is_not_the_video(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "x.mp4", [(640, 480), (64, 48)], cover=0, default=None)
    with av.open(str(path)) as container:
        assert {stream.codec_context.name for stream in container.streams.video} == {"mjpeg", "h264"}
    frames, told = read(path)
    assert (len(frames), told) == (6, [])
    assert frames[0].rgb_HWC.shape == (48, 64, 3)


@pytest.mark.parametrize(("default", "chosen"), [(0, 0), (1, 1), (2, 2)])
def test_of_several_videos_the_default_one(tmp_path: Path, default: int, chosen: int) -> None:
    path = two_streams(tmp_path / "x.mkv", [(64, 48), (128, 96), (96, 64)], None, default)
    frames, told = read(path)
    assert len(frames) == 6
    assert int(frames[0].rgb_HWC[9, 9, 1]) == pytest.approx(40 + 40 * chosen, abs=3)
    left_out = ", ".join(str(number) for number in range(3) if number != chosen)
    assert [(reason, detail.partition("left out: ")[2]) for _, reason, detail in told] == [
        ("other_streams", left_out)
    ]


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    content = encode(tmp_path / "x.mp4", flat_frames(3), Form()).read_bytes()
    (tmp_path / "y.mp4").write_bytes(content.replace(b"avc1", b"zz9x"))
    assert reasons(tmp_path / "y.mp4") in (["unknown_codec"], ["no_frames"])


def test_the_container_is_closed_when_reading_stops_early(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp4", flat_frames(20), Form())

    def open_files() -> list[str]:
        return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()].count(
            str(path)
        ) * [str(path)]

    frames = read_frames(path, 88, lambda *_: None)
    next(frames)
    assert open_files() == [str(path)]
    frames.close()
    assert open_files() == []
    with pytest.raises(RuntimeError, match="mine"), open_video(path, lambda *_: None):
        raise RuntimeError("mine")
    assert open_files() == []
