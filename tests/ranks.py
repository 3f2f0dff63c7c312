"""Run a function on several gloo ranks, each a process of its own, for tests."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def run_ranks(function: Callable[..., Any], size: int, *arguments: Any) -> list[Any]:
    """`function(rank, *arguments)` on `size` ranks of one group; what each returned, in rank order."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_rank, (size, Path(folder), function, arguments), size)
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(size)]


def _rank(
    rank: int, size: int, folder: Path, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ["DS_ACCELERATOR"] = "cpu"
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    dist.barrier()  # a rank may end before its peer has connected
    torch.save(function(rank, *arguments), folder / f"{rank}.pt")
    dist.destroy_process_group()
