"""Features that need no training, for comparison: components of pixels, and random weights.

Axes: F frames, H W C pixels, D features, N images of a batch.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import nn

from pretrain.augment import AugmentConfig, augment
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.sampled import SampledFrames, encode_frames

BATCHES, IMAGES = 20, 182
"""Of the random encoder's calibration."""
COMPONENTS = 192
Floats = NDArray[np.float64]


class PixelComponents:
    """Principal components of small grey frames, learned on frames without labels."""

    def __init__(self, frames: SampledFrames, size: int = 32) -> None:
        self.size = size
        pixels_FD = self._pixels(frames)
        self._components = PCA(min(COMPONENTS, *pixels_FD.shape), svd_solver="full").fit(pixels_FD)

    def __call__(self, frames: SampledFrames) -> Floats:
        return np.asarray(self._components.transform(self._pixels(frames)))

    def _pixels(self, frames: SampledFrames) -> Floats:
        return encode_frames(lambda x: x.mean(dim=1).flatten(1), frames, self.size)


def random_encoder(
    config: EncoderConfig, augmentation: AugmentConfig, frames: SampledFrames, seed: int
) -> FrameEncoder:
    """Random weights; batch normalisation gets the statistics of real frames, or features would be noise."""
    torch.manual_seed(seed)
    encoder = FrameEncoder(config)
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # a plain average
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for _ in range(BATCHES):
            place_N = rng.integers(len(frames), size=IMAGES)
            frames_N1HWC = torch.from_numpy(frames.pixels_FHWC[place_N, None])
            seed_N = rng.integers(0, 2**62, IMAGES)
            encoder(augment(frames_N1HWC, seed_N, 0, config.image_size, augmentation)[:, 0])
    return encoder.eval()
