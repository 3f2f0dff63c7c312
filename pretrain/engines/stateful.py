"""What both engines answer out of their state layout, and what the layouts share."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pretrain.engines.fragment import MOMENTS, WEIGHTS, Fill, Fragment
from pretrain.engines.statistics import KeptBuffers, stored_buffers
from pretrain.optim import OptimConfig, learning_rate_at


class State(Protocol):
    """How weights and moments lie on the ranks; methods as `pretrain.engine.Engine`'s."""

    def master_weights(self) -> Iterator[tuple[str, Tensor]]: ...

    def fragments(self) -> Iterator[Fragment]: ...

    def restore(self, fill: Fill, updates: int) -> None: ...


class StatefulEngine:
    """The part of an engine that does not depend on who computes."""

    _state: State

    def __init__(self, objective: nn.Module, optim: OptimConfig, steps: int) -> None:
        self._objective, self._optim, self._steps = objective, optim, steps
        self._statistics = KeptBuffers(objective)
        self._norm: Tensor | float = 0.0

    @property
    def gradient_norm(self) -> float:
        return float(self._norm)

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        return self._state.master_weights()

    def fragments(self) -> Iterator[Fragment]:
        return self._state.fragments()

    def buffers(self) -> dict[str, Tensor]:
        return stored_buffers(self._objective)

    def restore(self, fill: Fill, updates: int) -> None:
        self._state.restore(fill, updates)

    def _set_rate(self, groups: Iterable[dict[str, Any]], step: int) -> None:
        for group in groups:
            group["lr"] = learning_rate_at(step, self._steps, self._optim)


def trained(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Trained parameters by name, with whatever attributes an engine gave them."""
    return ((name, p) for name, p in module.named_parameters() if p.requires_grad)


def whole_weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters that every rank has whole."""
    return ((name, parameter.data) for name, parameter in module.named_parameters())


def whole_fragments(module: nn.Module) -> Iterator[Fragment]:
    """Trained parameters that every rank has whole."""
    return (Fragment(WEIGHTS, name, tuple(p.shape), 0, p.data) for name, p in trained(module))


def updates_of(optimizer: torch.optim.AdamW) -> int:
    """Steps whose gradients were applied, as AdamW counts them."""
    return int(next(iter(optimizer.state.values()))["step"])


def set_updates(optimizer: torch.optim.AdamW, updates: int) -> None:
    """Let AdamW's bias correction go on from there."""
    for state in optimizer.state.values():
        state["step"].fill_(updates)


def start_moments(optimizer: torch.optim.AdamW, tensors: Iterable[Tensor]) -> None:
    """Make AdamW's zero state now, not at the first step, so that fragments exist from the start."""
    for tensor in tensors:
        device = tensor.device if optimizer.defaults["fused"] else "cpu"
        optimizer.state[tensor] = {
            "step": torch.zeros((), dtype=torch.float32, device=device),
            **{kind: torch.zeros_like(tensor) for kind in MOMENTS},
        }
