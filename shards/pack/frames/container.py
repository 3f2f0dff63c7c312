"""Opening a video file: nothing but this file is read, and of its streams the one that people watch."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.container
import av.error
import av.video.stream
from av.stream import Disposition

from shards.pack.frames.trouble import Tell, VideoError, what

# Demuxers that never open another file. Playlists (hls, dash, concat) name files and hosts of their author's
# choice, and would be found by content under any name.
SELF_CONTAINED = (
    *("apng", "asf", "av1", "avi", "cavsvideo", "dirac", "dv", "flv", "gif", "gxf", "h261", "h263"),
    *("h264", "hevc", "ivf", "m4v", "matroska", "mjpeg", "mov", "mpeg", "mpegts", "mpegvideo", "mxf", "nut"),
    *("obu", "ogg", "rm", "vc1", "vvc", "wtv", "yuv4mpegpipe"),
    *("bmp_pipe", "gif_pipe", "jpeg_pipe", "png_pipe", "tiff_pipe", "webp_pipe"),
    # Sound alone is recognised, to say so.
    *("aac", "ac3", "aiff", "amr", "au", "caf", "flac", "mp3", "w64", "wav"),
)
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(SELF_CONTAINED)}
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails


@contextmanager
def open_video(
    path: Path, tell: Tell
) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """The open container and its video stream; further video streams are told.

    Raises:
        VideoError: it is no file with a video, or may not be read.
        MemoryError: its header needs more than there is.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise VideoError("open", "not_readable", what(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError("open", "not_a_file", "it is a folder, a pipe or a device; wanted a video file")
    if status.st_size == 0:
        raise VideoError("open", "empty_file", "it has 0 bytes")
    try:
        # The prefix keeps a name like "concat:a.mp4" a name.
        container = av.open(f"file:{path}", options=dict(OPTIONS), metadata_errors="replace")
    except MemoryError:
        raise
    except PermissionError as error:
        raise VideoError("open", "not_readable", what(error)) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("open", "not_a_video", what(error)) from error
    with container:
        stream = _watched(container, tell)
        # One thread: packing runs a process per video, and threads would only add copies.
        stream.thread_type = "NONE"
        yield container, stream


def _watched(container: av.container.InputContainer, tell: Tell) -> av.video.stream.VideoStream:
    """The default video stream; of several the largest, of equals the first. A cover picture is none."""
    # A stream whose codec is not known has no context, whatever its type says.
    streams = [stream for stream in container.streams.video if stream.codec_context]
    if container.streams.video and not streams:
        raise VideoError("open", "unknown_codec", "this build of FFmpeg has no decoder for its video")
    videos = [stream for stream in streams if not stream.disposition & COVERS]
    if not videos:
        kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
        shown = ["a cover picture" if kind == "video" else kind for kind in kinds]
        raise VideoError("open", "no_video_stream", f"it holds {', '.join(shown)} only")
    chosen = max(
        videos,
        key=lambda stream: (bool(stream.disposition & Disposition.default), stream.width * stream.height),
    )
    if len(videos) > 1:
        numbers = ", ".join(str(stream.index) for stream in videos if stream is not chosen)
        tell("open", "other_streams", f"of its video streams {chosen.index} was read, left out: {numbers}")
    return chosen
