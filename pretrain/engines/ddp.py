"""torch's DistributedDataParallel behind `pretrain.engine.Engine`: the plain twin of DeepSpeed's stages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pretrain.engines.fragment import Fragment
from pretrain.engines.micro import mean_of
from pretrain.engines.statistics import KeptBuffers, stored_buffers
from pretrain.engines.whole import WholeState
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig, build_optimizer, learning_rate_at
from pretrain.world import World


class DdpEngine:
    """All state is whole on every rank; gradients are averaged while backward runs."""

    def __init__(
        self, objective: nn.Module, optim: OptimConfig, accumulate: int, steps: int, world: World
    ) -> None:
        self._objective, self._optim, self._accumulate, self._steps = objective, optim, accumulate, steps
        # Objectives switch parts on during a run, and some backbones have parameters that take no part.
        self._parallel = DistributedDataParallel(
            objective, forward_sync_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
        )
        self._optimizer = build_optimizer(objective.named_parameters(), optim, fused=True)
        self._state = WholeState(objective, self._optimizer, world)
        self._statistics = KeptBuffers(objective)
        self._norm: Tensor | None = None

    def gradients(self, batches: Sequence[Any], step: int) -> Losses:
        self._statistics.keep()
        self._optimizer.zero_grad()
        found = []
        for number, batch in enumerate(batches, 1):
            alone = number < len(batches)
            with self._parallel.no_sync() if alone else nullcontext():
                losses = cast(Losses, self._parallel(batch, step))
                (losses.total / self._accumulate).backward()  # type: ignore[no-untyped-call]
            found.append(losses)
        return mean_of(found)

    def step(self, step: int) -> Tensor:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate_at(step, self._steps, self._optim)
        self._norm = self._state.clip(self._optim.clip_norm)
        self._optimizer.step()
        applied = self._norm.isfinite()
        self._statistics.put_back_unless(applied)
        return applied

    @property
    def gradient_norm(self) -> float:
        return 0.0 if self._norm is None else float(self._norm)

    @property
    def updates(self) -> int:
        return int(next(iter(self._optimizer.state.values()))["step"])

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        return self._state.master_weights()

    def fragments(self) -> Iterator[Fragment]:
        return self._state.fragments()

    def buffers(self) -> dict[str, Tensor]:
        return stored_buffers(self._objective)

    def restore(self, read: Callable[[str, str], Tensor], updates: int) -> None:
        self._state.restore(read, updates)
