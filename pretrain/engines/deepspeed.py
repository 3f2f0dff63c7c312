"""DeepSpeed's ZeRO stages 0 to 3 behind `pretrain.engine.Engine` (https://arxiv.org/abs/1910.02054).

Weights are float32. From stage 1 on DeepSpeed itself leaves out a step whose gradient is not finite.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pretrain.engines.flat import FlatState
from pretrain.engines.micro import mean_of
from pretrain.engines.partitioned import PartitionedState
from pretrain.engines.stateful import StatefulEngine, updates_of
from pretrain.engines.whole import WholeState
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig, build_optimizer
from pretrain.world import World

STAYS_WHOLE = 10_000
"""Values that a parameter has before stage 3 shards it. Biases and norms cost more to gather than to keep."""


class DeepSpeedEngine(StatefulEngine):
    """One of the stages."""

    def __init__(
        self,
        objective: nn.Module,
        optim: OptimConfig,
        stage: int,
        offload: str,
        accumulate: int,
        micro_clips: int,
        steps: int,
        world: World,
    ) -> None:
        deepspeed = start_deepspeed()
        super().__init__(objective, optim, steps)
        on_gpu = torch.cuda.is_available()
        self._optimizer = build_optimizer(
            objective.named_parameters(), optim, fused=on_gpu or stage == 0 or offload != "none"
        )
        self._engine, self._zero, _, _ = deepspeed.initialize(
            model=objective,
            optimizer=self._optimizer,
            config={
                "train_micro_batch_size_per_gpu": micro_clips,
                "gradient_accumulation_steps": accumulate,
                # Stage 0 clips in `step`: DeepSpeed does not tell the norm there.
                "gradient_clipping": 0.0 if stage == 0 else optim.clip_norm,
                "zero_optimization": _zero_config(stage, offload, on_gpu),
                "zero_force_ds_cpu_optimizer": False,
                "steps_per_print": 2**31,
            },
        )
        self._state: WholeState | FlatState | PartitionedState
        if stage == 0:
            self._state = WholeState(objective, self._optimizer, world)
        elif stage == 3:
            self._state = PartitionedState(objective, self._zero, self._optimizer, world)
        else:
            self._state = FlatState(objective, self._zero, self._optimizer)

    def gradients(self, batches: Sequence[Any], step: int) -> Losses:
        self._statistics.keep()
        found = []
        for number, batch in enumerate(batches, 1):
            losses = cast(Losses, self._engine(batch, step))
            self._engine.backward(losses.total)
            found.append(losses)
            if number < len(batches):
                self._engine.step()  # counts the micro batch; the last one's is in `step`
        return mean_of(found)

    def step(self, step: int) -> Tensor:
        self._set_rate(self._zero.param_groups, step)
        if isinstance(self._state, WholeState):
            self._norm = self._state.clip(self._optim.clip_norm)
            self._engine.step()
        else:
            self._engine.step()
            self._norm = self._engine.get_global_grad_norm()
        applied = torch.as_tensor(self._norm, device=self._engine.device).isfinite()
        self._statistics.put_back_unless(applied)
        return applied

    @property
    def updates(self) -> int:
        return updates_of(self._optimizer)


def _zero_config(stage: int, offload: str, on_gpu: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"stage": stage, "stage3_param_persistence_threshold": STAYS_WHOLE}
    if not on_gpu:
        config["overlap_comm"] = False
    if offload != "none":
        config["offload_optimizer"] = {"device": "cpu", "pin_memory": on_gpu}
    if offload == "all":
        config["offload_param"] = {"device": "cpu", "pin_memory": on_gpu}
    return config


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
    # Once per collective and process, for names that DeepSpeed uses.
    warnings.filterwarnings(
        "ignore", r".*(all_gather_into|reduce_scatter)_tensor.* is deprecated", FutureWarning
    )
    deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo")
    return deepspeed
