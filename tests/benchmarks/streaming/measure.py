"""What a side is asked, and what it took: measured the same way for all, ours and the peers'.

A side gives batches as (keys, frames_BTHWC). The clock runs from one batch that has arrived to another, so
that no start of processes counts, over many more batches than a side may have read ahead.
"""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil


@dataclass(frozen=True)
class Ask:
    """What to read.

    Attributes:
        side: name of the loader.
        source: folder or url of what it reads.
        clips: JSON file with the first frame of the clip of each key.
        frames: consecutive frames of a clip.
        pixels: of a side of a frame.
        batch: clips of a batch.
        steps: batches that are timed.
        skip: batches before these.
        workers: processes, or threads on our side.
        check: give a digest of each clip of one epoch in place of times.
        fetch_threads: on our side; 0 is its default.
    """

    side: str
    source: str
    clips: str
    frames: int
    pixels: int
    batch: int
    steps: int = 0
    skip: int = 0
    workers: int = 2
    check: bool = False
    fetch_threads: int = 0


def answer(ask: Ask, batches: Iterator[tuple[list[str], Any]], epoch_clips: int) -> dict[str, Any]:
    """Digests of the next `epoch_clips` clips, or what the timed steps took."""
    return {"crc32": _digests(batches, epoch_clips)} if ask.check else _timed(ask, batches)


def _digests(batches: Iterator[tuple[list[str], Any]], count: int) -> dict[str, int]:
    found: dict[str, int] = {}
    while len(found) < count:
        keys, frames = next(batches)
        for key, clip in zip(keys, np.asarray(frames), strict=True):
            # Our second epoch begins in the last batch where the first does not divide.
            found.setdefault(key, zlib.crc32(np.ascontiguousarray(clip)))
    return found


def _timed(ask: Ask, batches: Iterator[tuple[list[str], Any]]) -> dict[str, Any]:
    for _ in range(ask.skip):
        next(batches)
    clips, shape = 0, ()
    cpu_start, start = cpu_seconds(), time.perf_counter()
    for _ in range(ask.steps):
        keys, frames = next(batches)
        clips, shape = clips + len(keys), tuple(frames.shape)
    wall_seconds = time.perf_counter() - start
    cpu = cpu_seconds() - cpu_start
    wanted = (ask.batch, ask.frames, ask.pixels, ask.pixels, 3)
    if shape != wanted or clips != ask.steps * ask.batch or str(frames.dtype).split(".")[-1] != "uint8":
        raise RuntimeError(f"{ask.side} gave {clips} clips of {shape} {frames.dtype}, wanted {wanted} uint8")
    return {"clips": clips, "frames": clips * ask.frames, "wall_seconds": wall_seconds, "cpu_seconds": cpu}


def cpu_seconds() -> float:
    """Processor seconds of this process and of those it has started that still run."""
    children = psutil.Process().children(recursive=True)
    return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in children)
