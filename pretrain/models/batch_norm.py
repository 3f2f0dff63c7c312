"""Batch normalisation over the global batch of a run, on CPUs and GPUs alike (torch's own needs GPUs).

N ranks normalise as one process does on the whole batch, forward and backward (Ioffe and Szegedy,
https://arxiv.org/abs/1502.03167). Parameters and buffers keep the names of `nn.BatchNorm2d`, so weights load
either way. A clip that could not be read takes part as black frames.

Axes: N frames of this rank, C channels, then any places.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Ranks(Protocol):
    """The part of `World` that is needed."""

    @property
    def size(self) -> int: ...

    def sum(self, value: Tensor) -> Tensor:
        """Element-wise sum over ranks; carries no gradient."""


class GlobalBatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose batch is that of all ranks."""

    ranks: Ranks

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        output, mean_C, var_C, count = _Normalise.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.eps, self.ranks
        )
        with torch.no_grad():
            share = self.momentum or 0.0
            self.running_mean.lerp_(mean_C, share)
            self.num_batches_tracked.add_(1)
            self.running_var.lerp_(var_C * (count / (count - 1).clamp(min=1)), share)
        return torch.as_tensor(output)


def normalise_globally(module: nn.Module, ranks: Ranks) -> None:
    """Make every `nn.BatchNorm2d` below `module` one over all ranks; its tensors stay the same objects.

    One rank's batch is the global one: torch's own kernel is then right, and up to twice as fast.
    """
    for child in module.modules() if ranks.size > 1 else ():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = GlobalBatchNorm
            assert isinstance(child, GlobalBatchNorm)
            child.ranks = ranks


class _Normalise(torch.autograd.Function):
    """The sums over a rank's frames come from torch's fused kernels; only they are exchanged."""

    @staticmethod
    def forward(
        ctx: Any, x_NC: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float, ranks: Ranks
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # A fused pass over the frames; running values only say in which precision they are wanted.
        unused_C = torch.zeros_like(weight_C), torch.zeros_like(weight_C)
        moments = torch.batch_norm_update_stats(x_NC, *unused_C, 1.0)
        # In float64 the difference below is as exact as the ranks' own moments.
        mean_C, var_C = (moment_C.double() for moment_C in moments)
        places = torch.full((1,), x_NC.numel() / x_NC.shape[1], dtype=torch.float64, device=x_NC.device)
        total = ranks.sum(torch.cat([mean_C, var_C + mean_C.square(), torch.ones_like(places)]) * places)
        mean_C, square_C = (total[:-1] / total[-1]).chunk(2)
        var_C = (square_C - mean_C.square()).clamp(min=0).to(weight_C)
        mean_C, count = mean_C.to(weight_C), total[-1].to(weight_C)
        ctx.save_for_backward(x_NC, weight_C, mean_C, var_C, count)
        ctx.eps, ctx.ranks = eps, ranks
        ctx.mark_non_differentiable(mean_C, var_C, count)
        return F.batch_norm(x_NC, mean_C, var_C, weight_C, bias_C, eps=eps), mean_C, var_C, count

    @staticmethod
    def backward(ctx: Any, grad_NC: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x_NC, weight_C, mean_C, var_C, count = ctx.saved_tensors
        # With fixed statistics: the gradient without the part that flows through mean and variance.
        plain_NC, grad_weight_C, grad_bias_C = torch.ops.aten.native_batch_norm_backward(
            grad_NC, x_NC, weight_C, mean_C, var_C, None, None, False, ctx.eps, [True, True, True]
        )
        through_scale_C, through_shift_C = ctx.ranks.sum(torch.cat([grad_weight_C, grad_bias_C])).chunk(2)
        inverse_C = (var_C + ctx.eps).rsqrt()
        slope_C = -weight_C * inverse_C.square() * through_scale_C / count
        offset_C = -weight_C * inverse_C * through_shift_C / count - slope_C * mean_C
        zero_C, one_C = torch.zeros_like(mean_C), torch.ones_like(mean_C)
        # slope * x + offset by the same fused kernel.
        through_NC = F.batch_norm(x_NC, zero_C, one_C, slope_C, offset_C, eps=0.0)
        return plain_NC.add_(through_NC), grad_weight_C, grad_bias_C, None, None
