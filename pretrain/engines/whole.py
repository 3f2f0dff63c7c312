"""State of engines that keep everything whole on every rank: torch's DDP, and DeepSpeed's stage 0."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.engines.fragment import MOMENTS, WEIGHTS, Fill, Fragment, share
from pretrain.engines.stateful import set_updates, start_moments, trained, whole_weights
from pretrain.world import World


class WholeState:
    """Parameters and AdamW's moments; each rank hands out an even slice of every tensor."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.AdamW, world: World) -> None:
        self._module, self._world = module, world
        self._optimizer: Any = optimizer
        start_moments(optimizer, (p for group in optimizer.param_groups for p in group["params"]))

    def clip(self, most: float) -> Tensor:
        """Clip the gradients to norm `most`; parameters that took no part get the gradient 0, as in ZeRO.

        Returns:
            The norm before clipping, 0-dim. Where it is not finite, AdamW's next step is a no-op.
        """
        parameters = [parameter for _, parameter in trained(self._module)]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        norm = nn.utils.clip_grad_norm_(parameters, most)
        # What a gradient scaler tells the fused kernel: the decision stays on the device.
        self._optimizer.found_inf = (~norm.isfinite()).float()
        return norm

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        return whole_weights(self._module)

    def fragments(self) -> Iterator[Fragment]:
        for name, parameter in trained(self._module):
            start, length = share(parameter.numel(), self._world.rank, self._world.size)
            if not length:
                continue
            for kind, whole in self._tensors(parameter).items():
                values = whole.view(-1).narrow(0, start, length)
                yield Fragment(kind, name, tuple(parameter.shape), start, values)

    def restore(self, fill: Fill, updates: int) -> None:
        fill(
            Fragment(kind, name, tuple(parameter.shape), 0, whole)
            for name, parameter in trained(self._module)
            for kind, whole in self._tensors(parameter).items()
        )
        set_updates(self._optimizer, updates)

    def _tensors(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        state = self._optimizer.state[parameter]
        return {WEIGHTS: parameter.data, **{kind: state[kind] for kind in MOMENTS}}
