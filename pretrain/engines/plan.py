"""How much memory training state takes at each ZeRO stage, and which stage that calls for.

Bytes per parameter and rank, N ranks (Rajbhandari et al., https://arxiv.org/abs/1910.02054, figure 1, with
float32 weights): weights 4, gradients 4, masters 4 and AdamW's moments 8. The momentum encoder and
activations come on top: hence STATE_SHARE.
"""

import os
import shutil

import torch

from pretrain.config import ConfigError

STATE_SHARE = 0.5
"""Most of a device's memory that training state may take; the rest is for activations."""
GIB = 2**30


def state_bytes(parameters: int, ranks: int, stage: int, optimizer_offloaded: bool = False) -> int:
    """Bytes of training state on one rank's device."""
    sharded_from = {"weights": 3, "gradients": 2, "optimizer": 1}
    sizes = {"weights": 4, "gradients": 4, "optimizer": 0 if optimizer_offloaded else 12}
    return sum(
        parameters * size // (ranks if stage >= sharded_from[part] else 1) for part, size in sizes.items()
    )


def choose_stage(
    parameters: int, ranks: int, memory_bytes: int, optimizer_offloaded: bool = False
) -> tuple[int, str]:
    """The lowest stage from 1 on whose state takes at most STATE_SHARE of a device, and why.

    Stage 1 exchanges no more than plain data parallel training; stage 3 gathers weights twice per step. This
    project's rule.

    Raises:
        ConfigError: not even stage 3 fits.
    """
    allowed = int(memory_bytes * STATE_SHARE)
    needed = {stage: state_bytes(parameters, ranks, stage, optimizer_offloaded) for stage in (1, 2, 3)}
    facts = (
        f"{parameters / 1e6:.1f} M parameters on {ranks} rank{'s' * (ranks != 1)} need "
        + ", ".join(f"{size / GIB:.2f} GiB in stage {stage}" for stage, size in needed.items())
        + f"; {allowed / GIB:.2f} of {memory_bytes / GIB:.2f} GiB per device are for state"
    )
    for stage, size in needed.items():
        if size <= allowed:
            return stage, f"zero_stage auto: {stage}, as {facts}"
    least = -(-state_bytes(parameters, 1, 3, optimizer_offloaded) // allowed)
    raise ConfigError(
        f"no ZeRO stage fits: {facts}; use at least {least} ranks, engine.offload=all, or a smaller encoder"
    )


def device_memory() -> int:
    """Bytes of memory of this rank's GPU, or its share of the host's on CPUs."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return host // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def compilers() -> list[str]:
    """C++ compilers that torch.compile could call."""
    named = os.environ.get("CXX")
    return [path for name in ((named,) if named else ("g++", "clang++")) if (path := shutil.which(name))]
