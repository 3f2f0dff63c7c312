"""A batch on the training device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from shards.batch import ClipBatch


@dataclass(frozen=True)
class DeviceBatch:
    """`ClipBatch` as tensors; axes as there. Seeds stay on the host, where they are used."""

    clips: ClipBatch
    frames_BTHWC: Tensor
    frame_valid_BT: Tensor
    valid_B: Tensor
    identity_B: Tensor
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
        occurrence_BTA=None if clips.occurrence_BTA is None else move(clips.occurrence_BTA),
        intensity_BTA=None if clips.intensity_BTA is None else move(clips.intensity_BTA),
    )
