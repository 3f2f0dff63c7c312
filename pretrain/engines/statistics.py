"""Batch statistics of the trained modules: what a step that is left out must not change."""

import torch
from torch import Tensor, nn


def stored_buffers(module: nn.Module) -> dict[str, Tensor]:
    """Buffers that belong to the state of `module`, by name."""
    stored = set(module.state_dict(keep_vars=True))
    return {name: buffer for name, buffer in module.named_buffers() if name in stored}


class KeptBuffers:
    """The buffers as they were before a step. Nothing is copied for modules without any."""

    def __init__(self, module: nn.Module) -> None:
        self._buffers = list(stored_buffers(module).values())
        self._before: list[Tensor] = []

    @torch.no_grad()
    def keep(self) -> None:
        """Note what they are."""
        self._before = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def put_back_unless(self, applied: Tensor) -> None:
        """As noted where `applied` (0-dim) is False; the host does not wait for the device."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(torch.where(applied, buffer, before))
