"""What the loop, the objectives and the checkpoints know of an engine, and the settings of all engines.

Two engines do the same: `engines.deepspeed` (ZeRO stages 0 to 3) and its plain twin `engines.ddp` (torch's
DistributedDataParallel). In float32 they give one curve, within the order of additions.

Weights are float32 in every engine; `encoder.precision` says what the backbone computes in. bfloat16 weights
with float32 masters would need the same 16 bytes per parameter, and their stage 0 trains differently.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from pretrain.config import ConfigError
from pretrain.engines.fragment import Fill, Fragment
from pretrain.engines.plan import choose_stage, compilers, device_memory
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.world import World

STAGES = (0, 1, 2, 3)
AUTO = "auto"


@dataclass(frozen=True)
class EngineConfig:
    """How parameters are trained. Nothing in here changes what is learned, but for `accumulate`."""

    kind: Literal["deepspeed", "ddp"] = "deepspeed"
    """ddp is torch's DistributedDataParallel: the plain twin, all state whole on every rank."""
    zero_stage: int | str = AUTO
    """What DeepSpeed shards over ranks: 0 nothing, 1 optimizer moments, 2 gradients too, 3 weights too.
    auto takes the lowest of 1 to 3 whose state fits, and says why."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What is kept in host memory: AdamW's state and masters (stages 1 to 3), or weights too (stage 3)."""
    accumulate: int = 1
    """Micro batches per step. A contrast's negatives are those of the micro batch's global part: a larger
    `run.global_batch` by accumulation gives more positives per step, not harder contrasts. Batch
    normalisation is over the micro batch too."""
    activation_checkpointing: bool = False
    """Recompute the backbone's activations in backward: less memory, about a third more compute."""
    compile: bool = False
    """torch.compile of the backbone; needs a C++ compiler on CPUs."""

    def __post_init__(self) -> None:
        if self.zero_stage not in (*STAGES, AUTO) or isinstance(self.zero_stage, bool):
            raise ValueError(
                f"engine.zero_stage={self.zero_stage} is not supported; use 0, 1, 2, 3 or auto (stage 1 is "
                "plain data parallel training with sharded moments)"
            )
        if self.kind == "ddp" and (self.zero_stage != AUTO or self.offload != "none"):
            raise ValueError(
                f"engine.kind=ddp shards and offloads nothing, found zero_stage={self.zero_stage} and "
                f"offload={self.offload}; leave these out, or use engine.kind=deepspeed"
            )
        if self.offload == "optimizer" and self.zero_stage == 0:
            raise ValueError("engine.offload=optimizer needs zero_stage 1, 2, 3 or auto, found 0")
        if self.offload == "all" and self.zero_stage not in (3, AUTO):
            raise ValueError(f"engine.offload=all needs zero_stage 3 or auto, found {self.zero_stage}")
        if self.accumulate < 1:
            raise ValueError(f"engine.accumulate must be at least 1, found {self.accumulate}")


class Engine(Protocol):
    """Trains an objective's parameters; every method is called by all ranks in the same order."""

    def gradients(self, batches: Sequence[Any], step: int) -> Losses:
        """Forward and backward of the step's micro batches.

        Returns:
            The mean over the micro batches of this rank's loss (detached) and of its parts.
        """

    def step(self, step: int) -> Tensor:
        """Apply the gradients at the learning rate of global step `step`.

        Returns:
            Whether they were applied, 0-dim on the device and equal on all ranks. A gradient that is not
            finite is not: weights, moments and batch statistics stay what they were before the step.
        """

    @property
    def gradient_norm(self) -> float:
        """Norm of the last step's gradient over all ranks, before clipping; the host waits for the device."""

    @property
    def updates(self) -> int:
        """Steps whose gradients were applied, as AdamW counts them."""

    def master_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Name and float32 values of each parameter, whole, one at a time: valid until the next is asked for.

        Stage 3 gathers each when it is asked for: all ranks go through all of them, or none does.
        """

    def fragments(self) -> Iterator[Fragment]:
        """This rank's slices of weights and moments; over all ranks they cover every parameter once."""

    def buffers(self) -> dict[str, Tensor]:
        """What the trained modules keep besides weights (batch statistics), equal on every rank."""

    def restore(self, fill: Fill, updates: int) -> None:
        """Set weights, moments and AdamW's own step count.

        Args:
            fill: is called once, for all that this rank keeps and no more.
            updates: steps applied so far, which AdamW's bias correction needs.
        """


def refuse_on_this_host(config: EngineConfig) -> None:
    """Check what only this machine can tell.

    Raises:
        ConfigError: `compile` on a CPU without a C++ compiler.
    """
    if config.compile and not torch.cuda.is_available() and not compilers():
        raise ConfigError(
            "engine.compile=true needs a C++ compiler on a CPU, and none is on PATH or in CXX; "
            "leave engine.compile=false"
        )


def resolve_stage(config: EngineConfig, parameters: int, ranks: int, memory_bytes: int) -> tuple[int, str]:
    """The ZeRO stage that `config` means on devices of so much memory, and why.

    Raises:
        ConfigError: not even stage 3 fits.
    """
    if config.zero_stage != AUTO:
        return int(config.zero_stage), f"zero_stage {config.zero_stage}, as configured"
    if config.offload == "all":
        return 3, "zero_stage auto: 3, as engine.offload=all moves weights"
    return choose_stage(parameters, ranks, memory_bytes, config.offload == "optimizer")


def make_engine(
    objective: nn.Module, optim: OptimConfig, config: EngineConfig, steps: int, clips: int, world: World
) -> Engine:
    """Wrap `objective`, whose parameters lie on the training device.

    Args:
        objective: `forward(batch, step) -> Losses`.
        optim: rates and clipping.
        config: which engine.
        steps: planned number of steps, which the schedule needs.
        clips: clips per rank and step, over all micro batches.
        world: the ranks.

    Raises:
        ConfigError: this host or the backbone cannot do what is asked.
    """
    refuse_on_this_host(config)
    if clips % config.accumulate:
        raise ConfigError(
            f"{clips} clips per rank and step do not divide by engine.accumulate={config.accumulate}"
        )
    if world.rank == 0 and config.accumulate > 1:
        whole = clips * world.size
        sys.stderr.write(
            f"engine.accumulate={config.accumulate}: of a step's {whole} clips, a contrast's negatives are "
            f"among {whole // config.accumulate}\n"
        )
    from pretrain.engines.backbone import checkpoint_activations, compile_backbone

    if config.activation_checkpointing:
        checkpoint_activations(objective)
    if config.compile:
        compile_backbone(objective)
    if config.kind == "ddp":
        from pretrain.engines.ddp import DdpEngine

        return DdpEngine(objective, optim, config.accumulate, steps, world)
    from pretrain.engines.deepspeed import DeepSpeedEngine

    parameters = sum(parameter.numel() for parameter in objective.parameters())
    stage, reason = resolve_stage(config, parameters, world.size, device_memory())
    if world.rank == 0 and config.zero_stage == AUTO:
        sys.stderr.write(f"{reason}\n")
    micro = clips // config.accumulate
    return DeepSpeedEngine(objective, optim, stage, config.offload, config.accumulate, micro, steps, world)
