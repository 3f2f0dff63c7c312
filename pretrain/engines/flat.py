"""State of ZeRO stages 1 and 2: weights whole, masters and moments as slices of flat buffers.

DeepSpeed links each parameter to its slice; its names for that are private, and are used in this file only.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.engines.fragment import MOMENTS, WEIGHTS, Fill, Fragment
from pretrain.engines.stateful import set_updates, start_moments, trained, whole_fragments, whole_weights


class FlatState:
    """This rank's slices by parameter."""

    def __init__(self, module: nn.Module, zero: Any, optimizer: torch.optim.AdamW) -> None:
        self._module, self._optimizer = module, optimizer
        flats = [flat for group in optimizer.param_groups for flat in group["params"]]
        start_moments(optimizer, flats)
        zero._lazy_init_hp_params_optimizer_state()

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        return whole_weights(self._module)

    def fragments(self) -> Iterator[Fragment]:
        for name, parameter in trained(self._module):
            mapping = parameter._hp_mapping
            if mapping is None:
                continue  # all of it lies on other ranks
            start, shape = mapping.lp_fragment_address.start, tuple(parameter.shape)
            yield Fragment(WEIGHTS, name, shape, start, mapping.hp_fragment)
            for kind in MOMENTS:
                yield Fragment(kind, name, shape, start, mapping.get_optim_state_fragment(kind))

    def restore(self, fill: Fill, updates: int) -> None:
        fill([*whole_fragments(self._module), *self.fragments()])
        set_updates(self._optimizer, updates)
