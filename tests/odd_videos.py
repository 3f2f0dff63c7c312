"""Videos of rare forms for tests, written by PyAV: any codec, pixel format, colour tags, times, geometry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shards.pack.frames.decode import DecodedFrame, VideoError, read_frames

Told = list[tuple[str, str, str]]
LOSSLESS_X264 = {"crf": "1", "preset": "ultrafast", "threads": "1"}


@dataclass(frozen=True)
class Form:
    """How frames become a file."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=lambda: LOSSLESS_X264)
    container: str | None = None
    """The suffix's if None."""
    container_options: Mapping[str, str] = field(default_factory=dict)
    rate: int = 25
    times: list[int] | None = None
    """Presentation times in milliseconds; even at `rate` if None."""
    matrix: int = 2
    """AVColorSpace of the samples; 2 is BT.601, untagged."""
    tagged: int | None = None
    """What the stream says instead of `matrix`."""
    colour_range: int = 0
    transfer: int = 2
    primaries: int = 2
    pixel_aspect: Fraction | None = None

    @property
    def tag(self) -> int:
        return self.matrix if self.tagged is None else self.tagged


def encode(path: Path, frames_THWC: Iterable[NDArray[np.uint8]], form: Form) -> Path:
    """Write (H, W, 3) RGB frames, one after another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form.container, options=dict(form.container_options)) as container:
        stream = container.add_stream(form.codec, rate=form.rate, options=dict(form.options))
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        stream.pix_fmt = form.pixel_format
        context.colorspace, context.color_range = form.tag, form.colour_range
        context.color_trc, context.color_primaries = form.transfer, form.primaries
        if form.times is not None:
            context.time_base = stream.time_base = Fraction(1, 1000)
        if form.pixel_aspect is not None:
            context.sample_aspect_ratio = form.pixel_aspect
        for number, frame_HWC in enumerate(frames_THWC):
            if number == 0:
                stream.height, stream.width = frame_HWC.shape[:2]
            container.mux(stream.encode(_picture(frame_HWC, form, number)))
        container.mux(stream.encode())
    return path


def read(path: Path) -> tuple[list[DecodedFrame], Told]:
    """All frames as packing reads them, and its complaints; what ends the file is told last."""
    told: Told = []
    frames: list[DecodedFrame] = []
    try:
        for frame in read_frames(path, 88, lambda *words: told.append(words)):
            frames.append(frame)
    except VideoError as error:
        told.append((error.stage, error.reason, error.detail))
    return frames, told


def _picture(frame_HWC: NDArray[np.uint8], form: Form, number: int) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
    if picture.format.name != form.pixel_format:
        picture = picture.reformat(
            format=form.pixel_format,
            dst_colorspace=5 if form.matrix == 2 else form.matrix,
            dst_color_range=form.colour_range or 1,
        )
        picture.colorspace, picture.color_range = form.tag, form.colour_range
    if form.times is not None:
        picture.pts, picture.time_base = form.times[number], Fraction(1, 1000)
    return picture


def patched_matrix(path: Path, target: Path, matrix: list[float]) -> Path:
    """Copy of an MP4 whose track header shows the picture by (a, b, c, d): (x, y) at (ax + cy, bx + dy)."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # version and flags 4, times and ids 20, reserved .. volume 16
    a, b, c, d = (round(number * 0x10000) for number in matrix)
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 0x40000000], ">i4").tobytes()
    content[place : place + len(numbers)] = numbers
    target.write_bytes(content)
    return target
