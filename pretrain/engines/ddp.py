"""torch's DistributedDataParallel behind `pretrain.engine.Engine`: the plain twin of DeepSpeed's stages."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pretrain.engines.micro import mean_of
from pretrain.engines.stateful import StatefulEngine, updates_of
from pretrain.engines.whole import WholeState
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig, build_optimizer
from pretrain.world import World


class DdpEngine(StatefulEngine):
    """All state is whole on every rank; gradients are averaged while backward runs."""

    def __init__(
        self, objective: nn.Module, optim: OptimConfig, accumulate: int, steps: int, world: World
    ) -> None:
        super().__init__(objective, optim, steps)
        self._accumulate = accumulate
        # Objectives switch parts on during a run, and some backbones have parameters that take no part.
        self._parallel = DistributedDataParallel(
            objective, forward_sync_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
        )
        self._optimizer = build_optimizer(objective.named_parameters(), optim, fused=True)
        self._state: WholeState = WholeState(objective, self._optimizer, world)

    def gradients(self, batches: Sequence[Any], step: int) -> Losses:
        self._statistics.keep()
        self._optimizer.zero_grad()
        found = []
        for number, batch in enumerate(batches, 1):
            alone = number < len(batches)
            with self._parallel.no_sync() if alone else nullcontext():
                losses = cast(Losses, self._parallel(batch, step))
                torch.autograd.backward(losses.total / self._accumulate)
            found.append(losses)
        return mean_of(found)

    def step(self, step: int) -> Tensor:
        self._set_rate(self._optimizer.param_groups, step)
        self._norm = norm = self._state.clip(self._optim.clip_norm)
        self._optimizer.step()
        applied = norm.isfinite()
        self._statistics.put_back_unless(applied)
        return applied

    @property
    def updates(self) -> int:
        return updates_of(self._optimizer)
