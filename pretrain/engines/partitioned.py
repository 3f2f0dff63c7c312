"""State of ZeRO stage 3: each rank holds an equal part of every parameter, the last ones padded.

DeepSpeed's names for these parts are private, and are used in this file only.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.engines.fragment import MOMENTS, WEIGHTS, Fill, Fragment
from pretrain.engines.stateful import set_updates, start_moments, trained
from pretrain.world import World


class PartitionedState:
    """Parameter p of n values: rank r of N has the ceil(n / N) from r * ceil(n / N) on."""

    def __init__(self, module: nn.Module, zero: Any, optimizer: torch.optim.AdamW, world: World) -> None:
        self._module, self._zero, self._optimizer, self._world = module, zero, optimizer, world
        start_moments(optimizer, zero.fp32_partitioned_groups_flat)

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        import deepspeed

        for name, parameter in self._module.named_parameters():
            if self._is_whole(parameter):
                yield name, parameter.data
                continue
            with deepspeed.zero.GatheredParameters([parameter]):
                yield name, parameter.data

    def fragments(self) -> Iterator[Fragment]:
        for name, parameter in trained(self._module):
            start, length = self._place(parameter)
            for kind in (WEIGHTS, *MOMENTS) if length else ():
                yield Fragment(
                    kind, name, tuple(parameter.ds_shape), start, self._part(parameter, kind)[:length]
                )

    def restore(self, fill: Fill, updates: int) -> None:
        fill(self._kept())
        set_updates(self._optimizer, updates)

    def _kept(self) -> Iterator[Fragment]:
        """Everything that this rank has in memory of any parameter: masters, moments and what computes."""
        yield from self.fragments()
        for name, parameter in trained(self._module):
            start, length = self._place(parameter)
            shape = tuple(parameter.ds_shape)
            yield Fragment(WEIGHTS, name, shape, start, parameter.ds_tensor[:length])
            if self._is_whole(parameter):
                yield Fragment(WEIGHTS, name, shape, 0, parameter.data)

    def _place(self, parameter: Any) -> tuple[int, int]:
        """First index and number of this rank's values of `parameter`, without padding."""
        part = parameter.ds_tensor.ds_numel
        start = part * self._world.rank
        return start, max(0, min(part, parameter.ds_numel - start))

    def _part(self, parameter: Any, kind: str) -> Tensor:
        """This rank's values with padding, a view into the optimizer's memory."""
        key = None if kind == WEIGHTS else kind
        part: Tensor = self._zero._get_fp32_opt_state_partition(parameter, True, key)[0]
        return part

    @staticmethod
    def _is_whole(parameter: Any) -> bool:
        """Whether every rank has all of it at hand: small parameters stay gathered."""
        return str(parameter.ds_status) == "ZeroParamStatus.AVAILABLE"
