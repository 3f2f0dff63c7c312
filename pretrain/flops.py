"""How much of a device's rate training uses.

Counted are the passes of frames through encoders, as they happen: a frame's forward costs what torch counts
of its operators, its backward twice that (Kaplan et al., https://arxiv.org/abs/2001.08361, section 2.1).
Heads, losses and the optimizer are left out, and so is what activation checkpointing computes anew.
"""

import time
from collections.abc import Iterable
from statistics import median

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pretrain.models.encoder import EncoderConfig, FrameEncoder, on_paper

SLICES = 20
PRODUCT_SIZE = 8192
"""Of the square matrices whose product gives a GPU's dense rate."""


def forward_flops(config: EncoderConfig) -> int:
    """FLOPs of one frame through the encoder, without a byte of it in memory."""
    backbone, size = on_paper(config).backbone.eval(), config.image_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone(pixel_values=torch.zeros(1, 3, size, size, device="meta"))
    return int(counter.get_total_flops())


def dense_rate(device: torch.device, dtype: torch.dtype, size: int = PRODUCT_SIZE) -> float:
    """FLOP/s of a product of two square matrices: median of slices, after as many to warm up."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    rates = []
    for _ in range(2 * SLICES):
        _wait(device)
        start = time.perf_counter()
        for _ in range(4):
            a @ b
        _wait(device)
        rates.append(4 * 2 * size**3 / (time.perf_counter() - start))
    return median(rates[SLICES:])


class FlopCount:
    """Sums the FLOPs of all encoders below some modules, until they are asked for.

    What a GPU could do is measured at the start, with matrices of the encoder's precision.
    """

    def __init__(self, modules: Iterable[nn.Module], device: torch.device, precision: str) -> None:
        self._total = 0
        self._dense = dense_rate(device, getattr(torch, precision)) if device.type == "cuda" else None
        for encoder in {m for module in modules for m in module.modules() if isinstance(m, FrameEncoder)}:
            per_frame = forward_flops(encoder.config)
            encoder.register_forward_hook(
                lambda _, inputs, __, per_frame=per_frame: self._note(len(inputs[0]) * per_frame)
            )

    def _note(self, flops: int) -> None:
        self._total += 3 * flops if torch.is_grad_enabled() else flops

    def rates(self, seconds: float) -> dict[str, float]:
        """Of this device since the last call, `seconds` ago: TFLOP/s, and on a GPU the share of its rate."""
        achieved, self._total = self._total / seconds, 0
        shares = {} if self._dense is None else {"speed/mfu": achieved / self._dense}
        return {"speed/tflops": achieved / 1e12, **shares}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
