"""Optimizer and learning-rate schedule."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    warmup: float = 0.05
    """Share of the steps."""
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or not 0 <= self.warmup < 1:
            raise ValueError(
                "optim needs learning_rate > 0 and 0 <= warmup < 1, "
                f"found {self.learning_rate} and {self.warmup}"
            )
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1) or self.weight_decay < 0 or self.clip_norm <= 0:
            raise ValueError(
                "optim needs beta1 and beta2 in [0, 1), weight_decay >= 0 and clip_norm > 0, found "
                f"{self.beta1}, {self.beta2}, {self.weight_decay} and {self.clip_norm}"
            )


def learning_rate_at(step: int, steps: int, config: OptimConfig) -> float:
    """Rate of step `step` (from 0) of `steps`: a pure function, so that resuming needs no scheduler state."""
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def build_optimizer(
    named: Iterable[tuple[str, nn.Parameter]], config: OptimConfig, *, fused: bool = False
) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms) are not decayed.

    `fused` takes torch's one-kernel update, which can also leave out a step without asking the device first.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for _, parameter in named:
        if parameter.requires_grad:
            (decayed if parameter.dim() > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        fused=fused,
    )
