"""`python -m tests.benchmarks.contrast.side SIDE SIZE`: one loss, forward and backward; prints JSON.

A process of its own for each, so that one's peak of memory is not another's.
"""

import json
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finetune.tasks.aunce import AunceConfig, contrast_loss, draw_kinds
from tests.benchmarks.memory import peak_bytes, peak_from_here

SUP_CON = AunceConfig(loss="supcon")
SIDES = {
    "SupCon": SUP_CON,
    "AUNCE": AunceConfig(),
    "AUNCE, a draw per anchor": AunceConfig(draw="per_anchor"),
    "AUNCE, class means alone": AunceConfig(positives=(0.0, 1.0, 0.0, 0.0)),
    "AUNCE, released": AunceConfig(compat=True),
}


@dataclass(frozen=True)
class Size:
    """What the losses are of.

    Attributes:
        images: of a batch, with two views each.
        aus: AUs.
        width: features of a vector.
        repeats: timed steps, each with its own draw of positives.
        seed: of vectors, labels and draws.
    """

    images: int = 256
    aus: int = 12
    width: int = 64
    repeats: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.images, self.aus, self.width, self.repeats) < 1:
            raise ValueError(f"--size: found {self}, wanted all but seed at least 1")


def inputs(size: Size) -> tuple[Tensor, Tensor, np.ndarray[Any, np.dtype[np.float64]]]:
    """Unit vectors `(2 images, AUs, width)`, labels `(images, AUs)`, and rates from 5 to 60 % as in BP4D."""
    generator = torch.Generator().manual_seed(size.seed)
    vectors_NAV = torch.randn(2 * size.images, size.aus, size.width, generator=generator)
    rate_A = np.linspace(0.05, 0.6, size.aus)
    label_BA = torch.rand(size.images, size.aus, generator=generator) < torch.from_numpy(rate_A)
    return F.normalize(vectors_NAV, dim=2), label_BA.long(), rate_A


def measure(config: AunceConfig, size: Size) -> dict[str, Any]:
    """CPU seconds of each step, and the most bytes that one took."""
    vectors_NAV, label_BA, rate_A = inputs(size)
    rng = np.random.default_rng(size.seed)
    _warm_up(config)
    before, seconds, losses = peak_from_here(), [], []
    for _ in range(size.repeats):
        leaf_NAV = vectors_NAV.clone().requires_grad_()
        kind_NA = draw_kinds(config, (len(leaf_NAV), size.aus), rng)
        start = time.process_time()
        loss = contrast_loss(leaf_NAV, label_BA, kind_NA, rate_A, config)
        torch.autograd.backward(loss)
        seconds.append(time.process_time() - start)
        losses.append(loss.item())
    return {"seconds": seconds, "peak_bytes": peak_bytes() - before, "loss": float(np.mean(losses))}


def _warm_up(config: AunceConfig) -> None:
    """Load what a first call loads."""
    small = replace(Size(), images=8, aus=2)
    vectors_NAV, label_BA, rate_A = inputs(small)
    kind_NA = draw_kinds(config, (len(vectors_NAV), small.aus), np.random.default_rng(0))
    loss = contrast_loss(vectors_NAV.requires_grad_(), label_BA, kind_NA, rate_A, config)
    torch.autograd.backward(loss)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps(measure(SIDES[sys.argv[1]], Size(**json.loads(sys.argv[2])))) + "\n")
