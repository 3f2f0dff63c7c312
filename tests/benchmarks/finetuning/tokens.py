"""What a frozen encoder says of every frame, plain and in augmented views, made once and kept.

Axes: F frames, V views, N images, H W C pixels, S places, D features, A AUs.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from finetune.protocols.registry import PROTOCOLS
from finetune.train import FinetuneConfig
from pretrain.augment import PLAIN, AugmentConfig, augment
from pretrain.config import Request, load
from pretrain.labels import Labels
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import load_encoder
from shards.layouts.disfa import AUS
from tests.benchmarks.learning.sets import GROUPS, LabelledFrames, Size, labelled_frames

CONFIG = "finetune/configs/aunce_disfa.yaml"
PRESENT_FROM = 2
EVERY = 4
"""Frames of a video from one to the next that is taken."""
VIEWS = 4


@dataclass(frozen=True)
class Tokens:
    """One group's frames as the encoder sees them."""

    plain_FSD: Tensor
    views_VFSD: Tensor
    """Augmented; none of groups that train nothing."""
    label_FA: Labels
    person_F: list[str]


def keep_tokens(folder: Path, size: Size, encoder: Path) -> None:
    """Encode all groups, where that is not done yet."""
    (folder / "flips").mkdir(parents=True, exist_ok=True)
    frozen = load_encoder(encoder)[0].float()
    request = Request((Path(CONFIG),), ("data.url=none", "out=none"), print_only=False)
    views = load(FinetuneConfig, request).augment
    for group in GROUPS:
        file = folder / "flips" / f"{group}.safetensors"
        if not file.exists():
            frames = labelled_frames(folder, size, group)
            tokens = read_tokens(frozen, frames, EVERY, views if group == "train" else None)
            people = {"people": json.dumps(tokens.person_F)}
            label_FA = torch.from_numpy(tokens.label_FA).contiguous()
            tensors = {"plain": tokens.plain_FSD, "views": tokens.views_VFSD, "label": label_FA}
            unfinished = file.with_suffix(".partial")
            save_file(tensors, unfinished, people)
            unfinished.replace(file)


def kept_tokens(folder: Path) -> dict[str, Tokens]:
    """What `keep_tokens` made, by group."""
    found = {}
    for group in GROUPS:
        with safe_open(folder / "flips" / f"{group}.safetensors", "pt") as file:
            people = json.loads(file.metadata()["people"])
            label_FA = file.get_tensor("label").numpy()
            found[group] = Tokens(file.get_tensor("plain"), file.get_tensor("views"), label_FA, people)
    return found


def read_tokens(
    encoder: FrameEncoder, group: LabelledFrames, every: int, views: AugmentConfig | None
) -> Tokens:
    """Tokens of every `every`-th frame, float16.

    Args:
        encoder: frozen.
        group: frames with intensities of DISFA's AUs.
        every: frames from one to the next that is taken.
        views: how to augment; None makes no views.
    """
    pixels_FHWC = np.concatenate([part.pixels_FHWC for part in group.frames])[::every]
    aus = PROTOCOLS["disfa"].aus("detection")
    intensity_FA = group.label_FA[::every][:, [AUS.index(au) for au in aus]]
    label_FA = np.where(intensity_FA < 0, -1, intensity_FA >= PRESENT_FROM).astype(np.int8)
    views_VFSD = [_encode(encoder, pixels_FHWC, view, views) for view in range(VIEWS)] if views else []
    return Tokens(
        plain_FSD=_encode(encoder, pixels_FHWC, 0, PLAIN),
        views_VFSD=torch.stack(views_VFSD) if views_VFSD else torch.zeros(0),
        label_FA=label_FA,
        person_F=group.person_F[::every],
    )


@torch.no_grad()
def _encode(
    encoder: FrameEncoder, pixels_FHWC: NDArray[np.uint8], view: int, augmentation: AugmentConfig
) -> Tensor:
    found = []
    for start in range(0, len(pixels_FHWC), 64):
        pixels_N1HWC = torch.from_numpy(pixels_FHWC[start : start + 64, None])
        seed_N = np.arange(start, start + len(pixels_N1HWC))
        frames_N1CHW = augment(pixels_N1HWC, seed_N, view, encoder.config.image_size, augmentation)
        found.append(encoder(frames_N1CHW[:, 0]).tokens_NSD.half())
    return torch.cat(found)
