"""Batch normalisation over ranks equals torch's on the whole batch: values, gradients, running statistics."""

import pytest
import torch
from torch import nn

from pretrain.models.batch_norm import GlobalBatchNorm, normalise_globally
from pretrain.world import Alone, Group
from tests.ranks import run_ranks

FRAMES = torch.randn(6, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3 + 2
WANTED = torch.randn(6, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def layer() -> nn.Sequential:
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm2d(3)).double()
    nn.init.uniform_(module[0].weight, 0.5, 2.0)
    return module


def one_step(module: nn.Module, part: slice) -> dict[str, torch.Tensor]:
    frames = FRAMES[part].clone().requires_grad_()
    output = module(frames)
    output.backward(WANTED[part])
    gradients = {f"grad {name}": weight.grad for name, weight in module.named_parameters()}
    return {"output": output.detach(), "input grad": frames.grad, **gradients, **dict(module.named_buffers())}


def on_rank(rank: int) -> dict[str, torch.Tensor]:
    module = layer()
    normalise_globally(module, Group())
    assert type(module[0]) is GlobalBatchNorm
    # Unequal parts: ranks need not hold equally many frames.
    return one_step(module, slice(0, 4) if rank == 0 else slice(4, 6))


def test_ranks_equal_torch_on_the_whole_batch():
    wanted, (first, second) = one_step(layer(), slice(None)), run_ranks(on_rank, 2)
    for name in ("output", "input grad"):
        torch.testing.assert_close(torch.cat([first[name], second[name]]), wanted[name])
    for name in ("grad 0.weight", "grad 0.bias"):
        torch.testing.assert_close(first[name] + second[name], wanted[name])
    for name in ("0.running_mean", "0.running_var"):
        torch.testing.assert_close(first[name], wanted[name])
        torch.testing.assert_close(second[name], wanted[name])


class TwoEqualRanks:
    """Two ranks that hold the same frames."""

    size = 2

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        return 2 * value


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_keeps_its_dtype_and_exact_sums(dtype):
    module = layer().float()
    normalise_globally(module, TwoEqualRanks())
    frames = FRAMES.to(dtype).requires_grad_()
    output = module(frames)
    output.backward(WANTED.to(dtype))
    assert output.dtype == frames.grad.dtype == dtype
    exact = FRAMES.to(dtype).double()
    torch.testing.assert_close(
        module[0].running_mean.double(), 0.1 * exact.mean((0, 2, 3)), rtol=1e-5, atol=1e-6
    )
    assert frames.grad.double().mean((0, 2, 3)).abs().max() < 0.02


def test_evaluation_uses_running_statistics_and_weights_load_into_torchs_own():
    module = layer()
    normalise_globally(module, TwoEqualRanks())
    one_step(module, slice(None))
    plain = layer()
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module.eval()(FRAMES), plain.eval()(FRAMES))


def test_one_process_keeps_torchs_kernel():
    module = layer()
    normalise_globally(module, Alone())
    assert type(module[0]) is nn.BatchNorm2d
