"""Brightness and colours of a decoded picture, by the colour tags of its stream.

Axes: H W pixels as stored, C = RGB.
"""

from typing import Any, TypeVar

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from shards.pack.frames.hdr import TRANSFERS, tone_mapped_luma
from shards.pack.frames.parts import STEP_Y, Box, Part
from shards.pack.frames.trouble import VideoError, what

Word = TypeVar("Word", bound=np.unsignedinteger[Any])

# Their first plane is luma as it lies in memory: reading it costs nothing.
LUMA_FIRST = frozenset(
    ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"]
)
# The same in 16-bit words, by the bits in use; converting them to 8 bits first takes ten times as long.
DEEP_LUMA_FIRST = {
    f"{family}{bits}le": bits
    for family in ("gray", "yuv420p", "yuv422p", "yuv444p")
    for bits in (9, 10, 12, 14, 16)
}
KNOWN_MATRICES = frozenset([1, 4, 5, 6, 7, 9])
"""AVColorSpace numbers that swscale follows by itself: BT.709, FCC, BT.601 twice, SMPTE 240M, BT.2020."""
CUT_FORMATS = frozenset(["yuv420p", "yuvj420p"])
SD_SIZE = (1024, 576)
"""Greatest width and height of standard definition."""


def luma(picture: av.VideoFrame) -> NDArray[np.unsignedinteger[Any]]:
    """(H, W) brightness as stored; a view of the frame's memory where the format has it as a plane.

    Raises:
        VideoError: as `rgb`.
    """
    if picture.format.name in DEEP_LUMA_FIRST:
        return _plane(picture, np.uint16)
    if picture.format.name not in LUMA_FIRST:
        picture = _converted(picture, "gray")
    return _plane(picture, np.uint8)


def standard_luma(small_HW: NDArray[np.unsignedinteger[Any]], picture: av.VideoFrame) -> NDArray[np.uint8]:
    """`picture`'s luma, made small, with 8 bits in the standard range."""
    name = picture.format.name
    deeper = DEEP_LUMA_FIRST.get(name, 8) - 8
    eight_bits_HW = (small_HW >> deeper if deeper else small_HW).astype(np.uint8, copy=False)
    if picture.color_trc not in TRANSFERS:
        return eight_bits_HW
    is_stored = name in DEEP_LUMA_FIRST or name in LUMA_FIRST
    return tone_mapped_luma(
        eight_bits_HW, picture.color_trc, limited=is_stored and picture.color_range != ColorRange.JPEG
    )


def rgb(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, C) colours; of high dynamic range where the picture is.

    Raises:
        VideoError: swscale does not know the pixel format.
    """
    return _converted(picture, "rgb24").to_ndarray().astype(np.uint8, copy=False)


def can_be_cut(picture: av.VideoFrame) -> bool:
    """Whether `rgb_part` can be used: 4:2:0 of 8 bits, in a height for which swscale mixes no rows."""
    return picture.format.name in CUT_FORMATS and picture.width % 2 == 0 and picture.height % STEP_Y == 0


def rgb_part(picture: av.VideoFrame, box: Box) -> Part:
    """The pixels of `rgb` in a box, equal in every bit."""
    box = box.inside(picture.width, picture.height)
    height, width = box.bottom - box.top, box.right - box.left
    samples = np.empty((height * 3 // 2, width), np.uint8)
    samples[:height] = _plane(picture, np.uint8)[box.top : box.bottom, box.left : box.right]
    colours = samples[height:].reshape(2, height // 2, width // 2)
    for number in (1, 2):
        plane = np.frombuffer(memoryview(picture.planes[number]), np.uint8)
        plane_HW = plane.reshape(-1, picture.planes[number].line_size)
        colours[number - 1] = plane_HW[box.top // 2 : box.bottom // 2, box.left // 2 : box.right // 2]
    part = av.VideoFrame.from_numpy_buffer(samples, format=picture.format.name)
    part.color_range, part.color_trc = picture.color_range, picture.color_trc
    pixels_HWC = part.reformat(format="rgb24", src_colorspace=matrix(picture), threads=1).to_ndarray()
    return Part(pixels_HWC.astype(np.uint8, copy=False), box.left, box.top)


def hdr_transfer(picture: av.VideoFrame) -> int | None:
    """How a picture of high dynamic range codes light; None for others."""
    transfer = picture.color_trc
    return transfer if transfer in TRANSFERS else None


def _plane(picture: av.VideoFrame, kind: type[Word]) -> NDArray[Word]:
    plane = picture.planes[0]
    words = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    return words[: picture.height, : picture.width]


def _converted(picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    try:
        # One thread: by default swscale takes all cores, which other videos are using.
        return picture.reformat(format=pixel_format, src_colorspace=matrix(picture), threads=1)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("decode", "no_colours", f"{picture.format.name}: {what(error)}") from error


def matrix(picture: av.VideoFrame) -> Colorspace | None:
    """What brightness and colour differences mean, None where the stream says so itself.

    Untagged video is BT.601 in standard and BT.709 in high definition, as players take it.
    """
    if picture.colorspace in KNOWN_MATRICES or picture.format.is_rgb:
        return None
    is_high = picture.width > SD_SIZE[0] or picture.height > SD_SIZE[1]
    return Colorspace.ITU709 if is_high else Colorspace.ITU601
