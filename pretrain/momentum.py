"""The momentum encoder: a slow copy of what is trained, outside the engine (He et al. 2020, 1911.05722).

It follows the engine's fp32 master weights, as a low-precision average would freeze.
"""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

PREFIX = "student."
"""Name of the followed module within an objective."""


class MomentumEncoder:
    """Holds its module out of its owner's parameters, so that the engine neither trains nor shards it."""

    def __init__(self, student: nn.Module, momentum: float) -> None:
        self.module = deepcopy(student).requires_grad_(False).eval()
        self.momentum = momentum
        for layer in self.module.modules():
            # As the student's: statistics of the batch, not of an average that lags behind the weights.
            if isinstance(layer, nn.BatchNorm2d):
                layer.train()

    @torch.no_grad()
    def __call__(self, frames_BTCHW: Tensor) -> Tensor:
        """Unit vectors `(B, T, D)`, without gradient."""
        vectors_BTD: Tensor = self.module(frames_BTCHW)
        return vectors_BTD

    @torch.no_grad()
    def follow(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Move towards `weights`, the objective's masters by parameter name, one at a time."""
        left = dict(self.module.named_parameters())
        for name, weight in weights:
            if name.startswith(PREFIX):
                parameter = left.pop(name.removeprefix(PREFIX))
                parameter.lerp_(weight.to(parameter.dtype), 1 - self.momentum)
        assert not left, f"nothing to follow for {', '.join(left)}"


def planned_momentum(steps: int, most: float = 0.999, share: float = 0.1) -> float:
    """Momentum whose time constant 1 / (1 - m) is `share` of the steps, `most` for long runs.

    This project's rule: with 0.999, a run of 500 steps would keep three fifths of the random start.
    """
    return min(most, 1 - 1 / max(2.0, share * steps))
