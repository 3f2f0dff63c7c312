"""The training engine: DeepSpeed ZeRO stages 1 and 2 behind a few methods.

DeepSpeed keeps each rank's part of the optimizer state as slices of flat buffers. `fragments` names these
slices by parameter, which is all that checkpoints need to be independent of the number of ranks.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from pretrain.device import DeviceBatch
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig, build_optimizer, learning_rate_at

WEIGHTS, EXP_AVG, EXP_AVG_SQ = "weights", "exp_avg", "exp_avg_sq"


@dataclass(frozen=True)
class EngineConfig:
    zero_stage: int = 2
    """1 shards optimizer moments over ranks, 2 gradients as well."""

    def __post_init__(self) -> None:
        if self.zero_stage not in (1, 2):
            raise ValueError(
                f"engine.zero_stage={self.zero_stage} is not supported; use 1 or 2 (stage 1 is plain data "
                "parallel training with sharded moments)"
            )


@dataclass(frozen=True)
class Fragment:
    """This rank's slice of one parameter's state: `numel` values from flat index `start` on."""

    kind: str
    name: str
    shape: tuple[int, ...]
    start: int
    values: Tensor
    """A view into the engine's own memory."""


class Engine:
    """Trains an objective's parameters; every method is called by all ranks in the same order."""

    def __init__(
        self, objective: nn.Module, optim: OptimConfig, config: EngineConfig, steps: int, clips: int
    ) -> None:
        """Wrap `objective`; `clips` is the number of clips per rank and step."""
        self._deepspeed = start_deepspeed()
        self.optim, self.steps, self.config = optim, steps, config
        optimizer = build_optimizer(objective.named_parameters(), optim)
        self._engine, self._zero, _, _ = self._deepspeed.initialize(
            model=objective,
            optimizer=optimizer,
            config={
                "train_micro_batch_size_per_gpu": clips,
                "gradient_accumulation_steps": 1,
                "gradient_clipping": optim.clip_norm,
                "zero_optimization": {"stage": config.zero_stage, "overlap_comm": False},
                "steps_per_print": 2**31,
            },
        )
        self._optimizer = optimizer
        self._start_moments()

    def __call__(self, batch: DeviceBatch, step: int) -> Losses:
        return cast(Losses, self._engine(batch, step))

    def backward(self, loss: Tensor) -> None:
        self._engine.backward(loss)

    def step(self, step: int) -> None:
        """Apply the gradients at the learning rate of global step `step`."""
        for group in self._zero.param_groups:
            group["lr"] = learning_rate_at(step, self.steps, self.optim)
        self._engine.step()

    @property
    def gradient_norm(self) -> float:
        """Norm of the last step's gradient over all ranks, before clipping."""
        return float(self._engine.get_global_grad_norm() or 0.0)

    def master_weights(self) -> dict[str, Tensor]:
        """fp32 weights by parameter name, whole on every rank."""
        return {name: parameter.data for name, parameter in self._engine.module.named_parameters()}

    def fragments(self) -> Iterator[Fragment]:
        """This rank's slices of weights and moments; over all ranks they cover every parameter once."""
        for name, parameter in self._trained():
            mapping = parameter._hp_mapping
            if mapping is None:
                continue  # all of it lies on other ranks
            start, shape = mapping.lp_fragment_address.start, tuple(parameter.shape)
            yield Fragment(WEIGHTS, name, shape, start, mapping.hp_fragment)
            for kind in (EXP_AVG, EXP_AVG_SQ):
                yield Fragment(kind, name, shape, start, mapping.get_optim_state_fragment(kind))

    def buffers(self) -> dict[str, Tensor]:
        """What the trained modules keep besides weights (batch statistics), equal on every rank."""
        module = self._engine.module
        stored = set(module.state_dict())
        return {name: buffer for name, buffer in module.named_buffers() if name in stored}

    def restore(self, read: Callable[[str, str], Tensor], optimizer_steps: int) -> None:
        """Set weights, moments and the optimizer's own step count.

        Args:
            read: gives the whole flat tensor of (kind, parameter name).
            optimizer_steps: updates made so far, which AdamW's bias correction needs.
        """
        with torch.no_grad():
            for name, parameter in self._trained():
                parameter.data.copy_(read(WEIGHTS, name).view_as(parameter))
            for fragment in self.fragments():
                whole = read(fragment.kind, fragment.name)
                fragment.values.copy_(whole.narrow(0, fragment.start, fragment.values.numel()))
        for state in self._optimizer.state.values():
            state["step"].fill_(optimizer_steps)

    def _trained(self) -> Iterator[tuple[str, Any]]:
        """Trained parameters, with the attributes that DeepSpeed gave them."""
        return ((name, p) for name, p in self._engine.module.named_parameters() if p.requires_grad)

    def _start_moments(self) -> None:
        """Make AdamW's zero state now, not at the first step, so that fragments exist from the start."""
        for group in self._optimizer.param_groups:
            for flat in group["params"]:
                self._optimizer.state[flat] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    EXP_AVG: torch.zeros_like(flat),
                    EXP_AVG_SQ: torch.zeros_like(flat),
                }
        self._zero._lazy_init_hp_params_optimizer_state()


def start_deepspeed() -> Any:
    """Import DeepSpeed and join its communication layer to the existing process group.

    On a CPU, DeepSpeed would compile a shared-memory collective with a C++ compiler; gloo does without.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")
    import deepspeed

    if not torch.cuda.is_available():
        # Replaced, not updated: looking into it probes every kernel with the compiler.
        deepspeed.ops.__compatible_ops__ = {"deepspeed_shm_comm": False}
    deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo")
    return deepspeed
