"""Batches of random clips for objectives, whole or one rank's part."""

import numpy as np
import torch

from pretrain.device import DeviceBatch, to_device
from shards.batch import ClipBatch

CLIPS = 8
ACTIVITIES = ("T1", "T2", "T1", "T3", "T1", "T2", "T3", "T3")
"""Of each clip: some show one person twice, some several people."""


def clip_batch(step: int, total: int, clips: slice = slice(None)) -> DeviceBatch:
    """`CLIPS` clips of `total` frames and 4 people; one clip of each batch is not valid."""
    rng = np.random.default_rng(step)
    frames = rng.integers(0, 256, (CLIPS, total, 20, 20, 3), dtype=np.uint8)
    valid = np.ones(CLIPS, bool)
    valid[step % CLIPS] = False
    batch = ClipBatch(
        position_B=np.arange(CLIPS)[clips],
        augment_seed_B=rng.integers(0, 2**62, CLIPS)[clips],
        frames_BTHWC=frames[clips],
        frame_valid_BT=np.repeat(valid[:, None], total, 1)[clips],
        time_BT=np.tile(np.arange(total) / 5, (CLIPS, 1))[clips],
        frame_index_BT=np.tile(np.arange(total), (CLIPS, 1))[clips],
        frame_key_BT=[],
        identity_B=np.arange(CLIPS)[clips] % 4,
        valid_B=valid[clips],
        key_B=[f"k{i}" for i in range(CLIPS)][clips],
        provenance_B=[f"k{i}" for i in range(CLIPS)][clips],
        activity_B=list(ACTIVITIES)[clips],
        expression_B=([None] * CLIPS)[clips],
        occurrence_BTA=None,
        intensity_BTA=None,
    )
    return to_device(batch, torch.device("cpu"))
