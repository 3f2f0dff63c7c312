"""`python -m shards order`: really stream a set through R ranks and W threads, and print what comes when."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shards.batch import DEFAULT_CLIP
from shards.plan import Plan
from shards.policies import DistinctIdentity, Policy
from shards.stream import stream_clips
from shards.stream_config import StreamConfig
from shards.tracks import load_tracks


@dataclass(frozen=True)
class OrderRequest:
    url: str
    global_batch: int
    ranks: int
    workers: int
    start_step: int
    steps: int
    seed: int = 0
    policy: Policy = field(default_factory=DistinctIdentity)


def order(request: OrderRequest) -> Iterator[dict[str, Any]]:
    """Per step: `frames`, "key#frame_index" of the whole global batch in plan order, and `pixels_sha256`.

    Raises:
        ShardError: the set cannot be read.
        ValueError: the batch does not divide by the ranks.
    """
    tracks = load_tracks(request.url)
    plan = Plan(tracks, DEFAULT_CLIP, request.global_batch, request.seed, request.policy)
    config = StreamConfig(threads=request.workers, fetch_threads=request.workers)
    readers = [
        stream_clips(tracks, plan, config, None, request.start_step, rank, request.ranks)
        for rank in range(request.ranks)
    ]
    for step in range(request.start_step, request.start_step + request.steps):
        parts = [next(reader)[1] for reader in readers]
        pixels = np.concatenate([clips.frames_BTHWC for clips in parts])
        yield {
            "step": step,
            "frames": [
                f"{key}#{frame}"
                for clips in parts
                for key_T, index_T in zip(clips.frame_key_BT, clips.frame_index_BT, strict=True)
                for key, frame in zip(key_T, index_T, strict=True)
            ],
            "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        }
