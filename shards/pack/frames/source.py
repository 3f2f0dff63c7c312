"""The frames of any source: a video, a folder of pictures named by frame number, or one picture.

Axes: H W pixels, C = RGB.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards.layouts.layout import IMAGE_SUFFIXES, Source, is_image, name_below
from shards.pack.frames.decode import DecodedFrame, read_frames
from shards.pack.frames.small import padded, resized, small_size
from shards.pack.frames.trouble import Tell, VideoError

BESIDE_PICTURES = frozenset([".mtl", ".obj"])
"""BP4D keeps the 3D scan of every frame next to its picture."""
GREATEST_NUMBER = 10**15
"""Greater ones do not fit in the index, nor in any recording."""
JPEG_START = b"\xff\xd8"


def read_source(source: Source, long_side: int, tell: Tell) -> Iterator[DecodedFrame]:
    """All frames of `source` in order; small pictures have `long_side` pixels at most.

    A picture that cannot be read is told and left out.

    Raises:
        VideoError: there are no frames, or a video ends in damage; frames before the damage were given.
    """
    if source.path.is_dir():
        return read_images(source, numbered_images(source.path, tell), long_side, tell)
    if is_image(source.path):
        return read_images(source, [(source.first_frame, source.path)], long_side, tell)
    return read_frames(source.path, long_side, tell)


def numbered_images(folder: Path, tell: Tell) -> list[tuple[int, Path]]:
    """The folder's pictures by their number, whatever zeros stand before it.

    A file that is no picture, has no number, or has the number of another one is told and left out.
    """
    found: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() not in BESIDE_PICTURES):
        name, stem = name_below(folder, path), path.stem
        if not is_image(path) or not (stem.isascii() and stem.isdigit() and int(stem) <= GREATEST_NUMBER):
            wanted = f"<frame number>{{{','.join(sorted(IMAGE_SUFFIXES))}}}"
            tell("open", "unknown_file", f"{name} is no frame; wanted {wanted}")
        elif (number := int(stem)) in found:
            tell("open", "same_frame_number", f"{name} has the number of {found[number].name}; kept that")
        else:
            found[number] = path
    return sorted(found.items())


def read_images(
    source: Source, images: list[tuple[int, Path]], long_side: int, tell: Tell
) -> Iterator[DecodedFrame]:
    """Decode the numbered pictures of `source`; a picture's time is its number / the source's frame rate.

    Indices count from the source's first frame, so that both give the picture's own number.

    Raises:
        VideoError: not one could be read.
    """
    shape: tuple[int, int] | None = None
    for number, path in images:
        try:
            rgb_HWC = decode_image(path)
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", None) or error
            tell("decode", "unreadable_image", f"{path.name}: {what}")
            continue
        small_HW, scale = small_luma(rgb_HWC, long_side, shape)
        height, width = small_HW.shape
        shape = (height, width)
        time_seconds = round(number / source.frame_rate, 6)
        index = number - source.first_frame
        yield DecodedFrame(index, time_seconds, small_HW, scale, partial(np.asarray, rgb_HWC))
    if shape is None:
        raise VideoError("decode", "no_frames", f"none of {len(images)} pictures could be read")


def decode_image(path: Path) -> NDArray[np.uint8]:
    """A picture file as (H, W, C) RGB.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no picture, or damaged: a half picture is refused too.
    """
    content = path.read_bytes()
    if not content:
        raise ValueError("it has 0 bytes")
    try:
        if content.startswith(JPEG_START):
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content)
            return pixels
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except (MemoryError, cv2.error) as error:
        raise ValueError("its header claims more pixels than can be held") from error
    if decoded is None:
        raise ValueError("not a picture")
    return np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)


def small_luma(
    rgb_HWC: NDArray[np.uint8], long_side: int, shape: tuple[int, int] | None
) -> tuple[NDArray[np.uint8], float]:
    """The picture's brightness, small and fitted into `shape` (if any), and its scale."""
    height, width = rgb_HWC.shape[:2]
    size, scale = small_size(width, height, long_side, shape)
    luma_HW = np.asarray(cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY), np.uint8)
    return padded(resized(luma_HW, size), shape), scale
