"""Augmentation of whole clips, batched on the device.

One draw per clip and view is shared by all its frames, with a slight extra jitter per frame: an own
strong draw for each frame would swamp the motion that the losses compare. Every number comes from a
counter-based hash of the clip's seed, so pixels do not depend on ranks, workers or batch order.

Axes: B clips, T frames, H W stored pixels, C channels, S network input size.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges are uniform around the identity; all zero gives the centred, resized frame."""

    rotation_radians: float = 0.2
    scale: float = 0.1
    shift: float = 0.1
    """Share of the frame's width."""
    flip: float = 0.5
    """Probability."""
    contrast: float = 0.5
    saturation: float = 0.6
    channel_gain: float = 0.2
    grey: float = 0.2
    """Probability."""
    blur: float = 0.3
    """Probability."""
    frame_jitter: float = 0.1
    """What part of the geometric ranges each frame gets on its own."""


PLAIN = AugmentConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""No augmentation: what evaluation and serving see."""


def counter_uniform(seed_B: NDArray[np.int64], stream: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) per seed: splitmix64 (Steele et al. 2014) of seed, stream and counter."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    lane = np.arange(count, dtype=np.uint64) + np.uint64(stream * 65536 + 1)
    with np.errstate(over="ignore"):
        state = _mix(seed_B.astype(np.uint64) * golden)[:, None] + lane[None, :] * golden
        return (_mix(_mix(state)) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def augment(
    frames_BTHWC: Tensor, seed_B: NDArray[np.int64], view: int, size: int, config: AugmentConfig
) -> Tensor:
    """One augmented view of B clips as float32 `(B, T, C, size, size)` in 0..1.

    `view` numbers independent draws for the same clip (0: query, 1: key, ...).
    """
    clips, frames = frames_BTHWC.shape[:2]
    device = frames_BTHWC.device
    uniform_BK = counter_uniform(seed_B, 2 * view, 16)
    jitter_BK = counter_uniform(seed_B, 2 * view + 1, 4 * frames).reshape(clips, frames, 4)
    pixels_NCHW = frames_BTHWC.flatten(0, 1).permute(0, 3, 1, 2).float() / 255.0
    theta_N23 = _affine(uniform_BK, jitter_BK, config).to(device)
    grid_NSS2 = F.affine_grid(theta_N23, [len(pixels_NCHW), 3, size, size], align_corners=False)
    sampled_NCHW = F.grid_sample(pixels_NCHW, grid_NSS2, padding_mode="border", align_corners=False)
    view_BTCHW: Tensor = sampled_NCHW.view(clips, frames, *sampled_NCHW.shape[1:])
    if config != PLAIN:
        view_BTCHW = _colour(view_BTCHW, uniform_BK[:, 6:], config)
    return view_BTCHW


def _affine(
    uniform_BK: NDArray[np.float64], jitter_BT4: NDArray[np.float64], config: AugmentConfig
) -> Tensor:
    """Output-to-input transforms `(B*T, 2, 3)` in grid_sample's coordinates (the frame spans -1..1)."""
    clip_B14 = uniform_BK[:, None, :4] * 2 - 1
    amount_BT4 = clip_B14 + config.frame_jitter * (jitter_BT4 * 2 - 1)
    angle = config.rotation_radians * amount_BT4[..., 0]
    zoom = np.exp(config.scale * amount_BT4[..., 1])
    shift_x, shift_y = (2 * config.shift * amount_BT4[..., i] for i in (2, 3))
    mirror = np.where(uniform_BK[:, None, 4] < config.flip, -1.0, 1.0)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    rows = np.stack([mirror * cos, -sin, shift_x, mirror * sin, cos, shift_y], axis=-1)
    return torch.from_numpy(rows.reshape(-1, 2, 3)).float()


def _colour(view_BTCHW: Tensor, uniform_BK: NDArray[np.float64], config: AugmentConfig) -> Tensor:
    """Gain, saturation, grey and contrast as one 3x3 matrix and offset per clip; then blur."""
    u = torch.from_numpy(uniform_BK).float().to(view_BTCHW.device)
    luma = torch.tensor(LUMA, device=u.device)
    eye = torch.eye(3, device=u.device).expand(len(u), 3, 3)
    gain_B3 = 1 + config.channel_gain * (2 * u[:, 0:3] - 1)
    saturation_B = 1 + config.saturation * (2 * u[:, 3] - 1)
    saturation_B = torch.where(u[:, 4] < config.grey, torch.zeros_like(saturation_B), saturation_B)
    contrast_B = 1 + config.contrast * (2 * u[:, 5] - 1)
    grey_33 = luma.expand(3, 3)
    matrix_B33 = grey_33 + saturation_B.view(-1, 1, 1) * (eye - grey_33)
    matrix_B33 = matrix_B33 @ torch.diag_embed(gain_B3) * contrast_B.view(-1, 1, 1)
    centre_B3 = view_BTCHW.mean(dim=(1, 3, 4))
    offset_B3 = (1 - contrast_B).unsqueeze(1) * centre_B3
    # One multiplication for all clips; the mean is the clip's own, so frames keep their differences.
    pixels_BTCP = torch.matmul(matrix_B33.unsqueeze(1), view_BTCHW.flatten(3))
    pixels_BTCP = pixels_BTCP.add_(offset_B3[:, None, :, None]).clamp_(0, 1)
    view_BTCHW = pixels_BTCP.view_as(view_BTCHW)
    for clip in np.flatnonzero(uniform_BK[:, 6] < config.blur):
        view_BTCHW[clip].lerp_(_binomial_blur(view_BTCHW[clip]), float(uniform_BK[clip, 7]))
    return view_BTCHW


def _binomial_blur(frames_TCHW: Tensor) -> Tensor:
    """The 1 4 6 4 1 filter along both axes, as shifted sums (5x a grouped convolution's speed on a CPU)."""
    for dim in (2, 3):
        padding = (2, 2, 0, 0) if dim == 3 else (0, 0, 2, 2)
        padded = F.pad(frames_TCHW, padding, mode="replicate")
        length = frames_TCHW.shape[dim]
        taps = [padded.narrow(dim, start, length) for start in range(5)]
        frames_TCHW = (taps[0] + taps[4] + 4 * (taps[1] + taps[3]) + 6 * taps[2]) / 16
    return frames_TCHW
