"""The frames of any source: a video, a folder of pictures named by frame number, or one picture.

Axes: H W pixels, C = RGB.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards.layouts.layout import IMAGE_SUFFIXES, Source, is_image
from shards.pack.decode import DecodedFrame, VideoError, read_frames

Tell = Callable[[str, str, str], None]
"""Takes stage, reason and detail of something that gave no frame."""
BESIDE_PICTURES = frozenset([".mtl", ".obj"])
"""BP4D keeps the 3D scan of every frame next to its picture."""
JPEG_SUFFIXES = frozenset([".jpeg", ".jpg"])


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
    return read_frames(source.path, long_side)


def numbered_images(folder: Path, tell: Tell) -> list[tuple[int, Path]]:
    """The folder's pictures by their number, whatever zeros stand before it.

    A file that is no picture, has no number, or has the number of another one is told and left out.
    """
    found: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() not in BESIDE_PICTURES):
        if not is_image(path) or not (path.stem.isascii() and path.stem.isdigit()):
            wanted = f"<frame number>{{{','.join(sorted(IMAGE_SUFFIXES))}}}"
            tell("open", "unknown_file", f"{path.name} is no frame; wanted {wanted}")
        elif (number := int(path.stem)) in found:
            tell(
                "open", "same_frame_number", f"{path.name} has the number of {found[number].name}; kept that"
            )
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
    if path.suffix.lower() in JPEG_SUFFIXES:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content)
        return pixels
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("not a picture")
    return np.ascontiguousarray(decoded[:, :, ::-1], np.uint8)


LEAST_SIDE = 96
"""Smaller pictures are enlarged to this: of FER+'s 48 pixels the detector missed 7-22 % of faces."""


def small_luma(
    rgb_HWC: NDArray[np.uint8], long_side: int, shape: tuple[int, int] | None
) -> tuple[NDArray[np.uint8], float]:
    """The picture's brightness, small, and its scale.

    Faces are followed between pictures of one size only, so a picture is fitted into `shape`, that of the
    small picture before it, with black to the right or below where its own form is another.
    """
    height, width = rgb_HWC.shape[:2]
    luma_HW = cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY)
    scale = min(max(1.0, LEAST_SIDE / max(height, width)), long_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if shape is not None and size != shape[::-1]:
        scale = min(shape[0] / height, shape[1] / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size != (width, height):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        luma_HW = cv2.resize(luma_HW, size, interpolation=how)
    if shape is not None and luma_HW.shape != shape:
        luma_HW = cv2.copyMakeBorder(
            luma_HW, 0, shape[0] - luma_HW.shape[0], 0, shape[1] - luma_HW.shape[1], cv2.BORDER_CONSTANT
        )
    return np.asarray(luma_HW, np.uint8), scale
