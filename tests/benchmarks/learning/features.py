"""Encoders of the table's trained rows, and what they say of frames.

Axes: F frames, H W C pixels, D features, N images of a batch, A AUs.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from pretrain.augment import augment
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import load_encoder
from pretrain.optim import build_optimizer, learning_rate_at
from pretrain.recipe import PretrainConfig
from tests.benchmarks.learning.methods import IMAGES
from tests.benchmarks.learning.sets import LabelledFrames

Floats = NDArray[np.float64]


def exported(folder: Path) -> FrameEncoder:
    """The encoder that pretraining exported below its run folder."""
    return load_encoder(folder / "encoder")[0]


def supervised_encoder(config: PretrainConfig, train: LabelledFrames, seed: int) -> FrameEncoder:
    """Trained on all labels of the probe's training people, with pretraining's budget and settings."""
    torch.manual_seed(seed)
    encoder, optim, steps = FrameEncoder(config.encoder), config.optim, config.run.steps
    model = nn.ModuleDict({"encoder": encoder, "head": nn.Linear(encoder.dim, train.label_FA.shape[1])})
    pixels_FHWC = np.concatenate([part.pixels_FHWC for part in train.frames])
    target_FA = torch.from_numpy(train.label_FA.astype(np.float32))
    rng = np.random.default_rng(seed)
    optimizer = build_optimizer(model.named_parameters(), optim)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, steps, optim)
        images_NCHW, place_N = _images(pixels_FHWC, rng, config)
        loss = F.mse_loss(model["head"](encoder(images_NCHW).pooled_ND), target_FA[place_N])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), optim.clip_norm)
        optimizer.step()
    return encoder.eval()


def _images(
    pixels_FHWC: NDArray[np.uint8], rng: np.random.Generator, config: PretrainConfig
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    place_N = rng.integers(len(pixels_FHWC), size=IMAGES)
    seed_N = rng.integers(0, 2**62, IMAGES)
    frames_N1HWC = torch.from_numpy(pixels_FHWC[place_N, None])
    images_N1CHW = augment(frames_N1HWC, seed_N, 0, config.encoder.image_size, config.augment)
    return images_N1CHW[:, 0], place_N
