"""Frames as JPEG files: a folder of them, or a single one; each gets its name only when complete."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.pack.encode import encode


def write_pictures(
    folder: Path, frames: Iterable[NDArray[np.uint8]], name: str, without: frozenset[int]
) -> None:
    """Write RGB frames (size, size, 3) uint8 as `name.format(number)`, numbers from 1."""
    unfinished = folder.with_name(folder.name + ".partial")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    for number, frame_HWC in enumerate(frames, start=1):
        if number not in without:
            (unfinished / name.format(number)).write_bytes(encode(frame_HWC))
    unfinished.replace(folder)


def write_picture(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Write the first frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    unfinished.write_bytes(encode(next(iter(frames))))
    unfinished.replace(path)
