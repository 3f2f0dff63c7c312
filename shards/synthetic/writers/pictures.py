"""Frames as picture files: a folder of them, or a single one; each gets its name only when complete."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.layouts.fer2013 import SIDE, grey_png
from shards.pack.faces.encode import encode

EDGE_SHARE = 1 / 8
"""Of a frame's side, cut off at each side of a small grey picture."""


def write_pictures(
    folder: Path, frames: Iterable[NDArray[np.uint8]], name: str, without: frozenset[int]
) -> None:
    """Write RGB frames (size, size, 3) uint8 as JPEG files `name.format(number, index)`.

    Numbers, as in `without`, count from 1 and indices from 0.
    """
    unfinished = folder.with_name(folder.name + ".partial")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    for number, frame_HWC in enumerate(frames, start=1):
        if number not in without:
            (unfinished / name.format(number, number - 1)).write_bytes(encode(frame_HWC))
    unfinished.replace(folder)


def write_picture(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Write the first frame: as JPEG, or as FER2013's pictures are, small and grey, if the name says PNG."""
    frame_HWC = next(iter(frames))
    content = grey_png(small_grey(frame_HWC)) if path.suffix == ".png" else encode(frame_HWC)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def small_grey(rgb_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(48, 48) brightness of the middle of a square frame, which a face fills there as in FER2013."""
    edge = round(EDGE_SHARE * len(rgb_HWC))
    grey_HW = cv2.cvtColor(
        rgb_HWC[edge : len(rgb_HWC) - edge, edge : len(rgb_HWC) - edge], cv2.COLOR_RGB2GRAY
    )
    return np.asarray(cv2.resize(grey_HW, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
