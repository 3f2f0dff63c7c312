"""The processes of a run, as losses and the loop see them.

`Alone` and `Group` do the same things; nothing asks how many there are. Every method but `size` and `rank` is
a collective: all ranks call it, in the same order. `gather_with_gradient` is one in its backward too.
"""

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore


class World(Protocol):
    """What is shared over ranks. No method changes its argument."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, value: Tensor) -> Tensor:
        """Element-wise sum over ranks; carries no gradient."""

    def gather(self, value_N: Tensor) -> Tensor:
        """All ranks' equally shaped tensors, concatenated in rank order; carries no gradient."""

    def gather_with_gradient(self, value_N: Tensor) -> Tensor:
        """As `gather`, but differentiable: each rank's part gets the gradients of all ranks."""

    def broadcast(self, value: Any) -> Any:
        """Rank 0's small Python object on every rank."""

    def barrier(self) -> None:
        """Wait for all ranks."""

    def agree(self, said: bool) -> Callable[[], bool]:
        """Start to ask whether any rank says so; what this returns waits for the answer, once."""


class Alone:
    """One process."""

    rank = 0
    size = 1

    def sum(self, value: Tensor) -> Tensor:
        return value.detach().clone()

    def gather(self, value_N: Tensor) -> Tensor:
        return value_N.detach().clone()

    def gather_with_gradient(self, value_N: Tensor) -> Tensor:
        return value_N.clone()

    def broadcast(self, value: Any) -> Any:
        return value

    def barrier(self) -> None:
        pass

    def agree(self, said: bool) -> Callable[[], bool]:
        return lambda: said


class Group:
    """The ranks of torch's default process group."""

    @property
    def rank(self) -> int:
        return dist.get_rank()

    @property
    def size(self) -> int:
        return dist.get_world_size()

    def sum(self, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def gather(self, value_N: Tensor) -> Tensor:
        value_N = value_N.detach().contiguous()
        parts = [torch.empty_like(value_N) for _ in range(self.size)]
        dist.all_gather(parts, value_N)
        return torch.cat(parts)

    def gather_with_gradient(self, value_N: Tensor) -> Tensor:
        gathered: Tensor = _Gather.apply(value_N, self)  # type: ignore[no-untyped-call]
        return gathered

    def broadcast(self, value: Any) -> Any:
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        dist.barrier()

    def agree(self, said: bool) -> Callable[[], bool]:
        flag = torch.tensor(int(said))
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, group=self._beside, async_op=True)

        def answer() -> bool:
            work.wait()
            return bool(flag)

        return answer

    @cached_property
    def _beside(self) -> Any:
        """The same ranks over the network of their hosts, whatever their devices are busy with."""
        return dist.new_group(backend="gloo")


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value_N: Tensor, group: Group) -> Tensor:
        ctx.group, ctx.length = group, len(value_N)
        return group.gather(value_N)

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> tuple[Tensor, None]:
        total_M = ctx.group.sum(grad_M.contiguous())
        return total_M.narrow(0, ctx.group.rank * ctx.length, ctx.length), None


def join_group() -> Group:
    """The process group of this process: an existing one (Ray made it), torchrun's, or one of its own.

    A process that nobody launched forms a group of one over an in-process store: it needs no port to meet at.
    """
    if not dist.is_initialized():
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
            dist.init_process_group(backend)
        else:
            dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    return Group()


def local_device() -> torch.device:
    """This rank's GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return torch.device("cpu")
