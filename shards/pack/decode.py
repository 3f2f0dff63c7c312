"""Frames of a video file, in one sequential pass.

Axes: H W pixels of the upright picture, C = RGB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import av
import av.container
import av.error
import av.video.stream
import cv2
import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError

# Their first plane is 8-bit luma as it lies in memory: reading it costs nothing.
LUMA_FIRST = frozenset(
    ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"]
)
TRUNCATED_BELOW = 0.9
"""Fewer decoded frames than this share of the header's count is a file cut short (edit lists drop a few)."""


class VideoError(ShardError):
    """A file that gives no (more) frames; `reason` is the ledger's short name."""

    def __init__(self, stage: str, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.stage = stage
        self.reason = reason
        self.detail = detail


@dataclass(eq=False)
class DecodedFrame:
    """One frame: a small luma picture at once, colours on demand."""

    index: int
    """Counted from the source's first frame: in order of showing, or for pictures by their own numbers."""
    time_seconds: float
    small_HW: NDArray[np.uint8]
    scale: float
    """Pixels of `small_HW` per pixel of the frame."""
    colours: Callable[[], NDArray[np.uint8]]
    """Gives the upright frame in full size."""

    @cached_property
    def rgb_HWC(self) -> NDArray[np.uint8]:  # noqa: N802 (axes)
        return self.colours()


def luma(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W) brightness; a view of the frame's memory where the format has it as a plane."""
    if picture.format.name not in LUMA_FIRST:
        picture = picture.reformat(format="gray")
    plane = picture.planes[0]
    pixels = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    return pixels[: picture.height, : picture.width]  # type: ignore[no-any-return]


def read_frames(path: Path, long_side: int) -> Iterator[DecodedFrame]:
    """Decode `path` from its first frame to its last; small pictures have `long_side` pixels at most.

    Raises:
        VideoError: it is no video, or ends in damage; frames before the damage were given.
        MemoryError: a frame needs more than there is.
    """
    if path.stat().st_size == 0:
        raise VideoError("open", "empty_file", "it has 0 bytes")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("open", "not_a_video", _what(error)) from error
    with container:
        if not container.streams.video:
            kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
            raise VideoError("open", "no_video_stream", f"it holds {', '.join(kinds)} only")
        stream = container.streams.video[0]
        # One thread: packing runs a process per video, and threads would only add copies.
        stream.thread_type = "NONE"
        yield from _decode(container, stream, long_side)


def _decode(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, long_side: int
) -> Iterator[DecodedFrame]:
    index = 0
    rate = float(stream.average_rate or 25)
    # AVI stores no presentation times: with B-frames, what stands for them is out of order.
    timed = container.format.name != "avi"
    try:
        for picture in container.decode(stream):
            time_seconds = float(picture.time) if timed and picture.time is not None else index / rate
            yield _frame(index, round(time_seconds, 6), picture, long_side)
            index += 1
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("decode", "decode_error", f"after {index} frames: {_what(error)}") from error
    if index == 0:
        raise VideoError("decode", "no_frames", "no frame could be decoded")
    if index < TRUNCATED_BELOW * stream.frames:
        raise VideoError("decode", "truncated", f"{index} frames of {stream.frames} that its header promises")


def _what(error: Exception) -> str:
    """The error without the file's path, which differs from machine to machine."""
    return str(getattr(error, "strerror", None) or error)


def _frame(index: int, time_seconds: float, picture: av.VideoFrame, long_side: int) -> DecodedFrame:
    scale = min(1.0, long_side / max(picture.width, picture.height))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    luma_HW = luma(picture)
    small_HW = cv2.resize(luma_HW, size, interpolation=cv2.INTER_AREA) if scale < 1 else luma_HW.copy()
    turns = round(picture.rotation / 90) % 4
    upright_HW = np.ascontiguousarray(np.rot90(small_HW, turns)) if turns else small_HW
    return DecodedFrame(index, time_seconds, upright_HW, scale, partial(_colours, picture, turns))


def _colours(picture: av.VideoFrame, turns: int) -> NDArray[np.uint8]:
    """The picture after `turns` quarter turns, counter-clockwise, that make it upright."""
    pixels = picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.rot90(pixels, turns) if turns else pixels
