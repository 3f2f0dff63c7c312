"""What is timed, each in a process of its own; prints what it did as JSON.

python -m tests.benchmarks.inference.sides predict MODEL VIDEO OUT
python -m tests.benchmarks.inference.sides alone MODEL VIDEO
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from finetune.artifact import SavedModel, load_model
from finetune.faces import PIECE_FRAMES
from finetune.predict import predict
from pretrain.augment import PLAIN, augment
from shards.pack.faces.plugins import get_detector
from shards.pack.frames.decode import read_frames
from tests.benchmarks.memory import peak_bytes, peak_from_here


class Clock:
    """Seconds of the processor and of the wall, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        found = self.seconds.setdefault(stage, {"wall": 0.0, "cpu": 0.0})
        found["wall"] += time.perf_counter() - wall
        found["cpu"] += time.process_time() - cpu


def whole(saved: SavedModel, video: Path, out: Path) -> dict[str, Any]:
    """`python -m finetune.predict` after its start: a video to a table."""
    clock = Clock()
    before = peak_from_here()
    with clock("predict"):
        frames, rows, _ = predict(saved, video, out)
    return {"frames": frames, "rows": rows, "grown_bytes": peak_bytes() - before, "seconds": clock.seconds}


def alone(saved: SavedModel, video: Path) -> dict[str, Any]:
    """Each of decoding, detecting and the model by itself, on as many frames as prediction has of them.

    The detector searches every `detect_every`-th picture, as in prediction; it is given the small pictures
    that it searches, and the model crops: neither making those nor following faces between is counted.
    """
    clock = Clock()
    with av.open(str(video)) as container, clock("decode"):
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        frames = sum(1 for _ in container.decode(stream))
    detector, every = get_detector(saved.recipe.detector), saved.recipe.detect_every
    for frame in read_frames(video, detector.long_side, lambda *trouble: None):
        if frame.index % every == 0:
            small_HW = frame.small_HW
            with clock("detect"):
                detector.detect(small_HW)
    size, pixels = saved.model.encoder.config.image_size, saved.recipe.size
    crops_1THWC = np.random.default_rng(0).integers(0, 256, (1, PIECE_FRAMES, pixels, pixels, 3), np.uint8)
    state = None
    for start in range(0, frames, PIECE_FRAMES):
        piece = torch.from_numpy(crops_1THWC[:, : min(PIECE_FRAMES, frames - start)])
        with torch.no_grad(), clock("model"):
            views = augment(piece, np.zeros(1, np.int64), 0, size, PLAIN)
            _, state = saved.model.infer(views, None, state)
    return {"frames": frames, "seconds": clock.seconds}


SIDES: dict[str, Callable[..., dict[str, Any]]] = {"predict": whole, "alone": alone}


def main(arguments: list[str]) -> None:
    side, model, *paths = arguments
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = SIDES[side](load_model(Path(model)), *map(Path, paths))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
