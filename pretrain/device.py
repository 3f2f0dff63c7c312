"""A batch on the training device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shards.batch import ClipBatch
from shards.schema import identity_hash
from shards.unit_rows import ACTIVITY


@dataclass(frozen=True)
class DeviceBatch:
    """`ClipBatch` as tensors; axes as there. Seeds stay on the host, where they are used."""

    clips: ClipBatch
    frames_BTHWC: Tensor
    frame_valid_BT: Tensor
    valid_B: Tensor
    identity_B: Tensor
    activity_B: Tensor
    """Hash of the activity's name, as plans group by: equal on all ranks and in each run; -1 is none."""
    occurrence_BTA: Tensor | None
    intensity_BTA: Tensor | None

    def __len__(self) -> int:
        return len(self.clips)


def to_device(clips: ClipBatch, device: torch.device) -> DeviceBatch:
    """Copy a batch to `device`; pixels stay uint8, a quarter of their bytes as floats."""

    def move(array: object) -> Tensor:
        return torch.as_tensor(array).to(device, non_blocking=True)

    return DeviceBatch(
        clips=clips,
        frames_BTHWC=move(clips.frames_BTHWC),
        frame_valid_BT=move(clips.frame_valid_BT),
        valid_B=move(clips.valid_B),
        identity_B=move(clips.identity_B),
        activity_B=move(np.array([activity_number(name) for name in clips.activity_B], np.int64)),
        occurrence_BTA=None if clips.occurrence_BTA is None else move(clips.occurrence_BTA),
        intensity_BTA=None if clips.intensity_BTA is None else move(clips.intensity_BTA),
    )


def activity_number(name: str | None) -> int:
    """63-bit hash of an activity's name, of all sets alike; -1 for none."""
    return -1 if name is None else identity_hash(ACTIVITY, name)
