"""Worlds: one process and a group give the same results, and nothing changes what it was given."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from pretrain.world import Alone, Group, World, join_group, local_device
from tests.ranks import run_ranks

VALUES = [
    torch.tensor(2.5, dtype=torch.float64),
    torch.arange(6, dtype=torch.float32).view(2, 3),
    torch.tensor([2**62, -1]),
    torch.tensor([[True], [False]]),
]


def seen(world: World, values: list[torch.Tensor]) -> dict[str, object]:
    """Everything a world gives for `values`, and what is left of them."""
    given = [value.clone().requires_grad_(value.is_floating_point()) for value in values]
    found = {
        "size": world.size,
        "rank": world.rank,
        "sum": [world.sum(value) for value in given if value.dtype != torch.bool],
        "gather": [world.gather(value) for value in given if value.dim()],
        "gather of a transposed view": world.gather(given[1].T),
        "broadcast": world.broadcast({"step": 3, "rank": world.rank, "none": None}),
    }
    world.barrier()
    found["given"] = [value.detach() for value in given]
    found["carry gradients"] = [
        value.requires_grad for value in [*found["sum"], *found["gather"]] if isinstance(value, torch.Tensor)
    ]
    return found


def on_rank(rank: int) -> dict[str, object]:
    return seen(Group(), [value if value.dtype == torch.bool else value + rank for value in VALUES])


def check(found: object, wanted: object) -> None:
    if isinstance(wanted, torch.Tensor):
        assert isinstance(found, torch.Tensor)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert torch.equal(found, wanted)
    elif isinstance(wanted, list):
        assert isinstance(found, list)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            check(one, other)
    else:
        assert found == wanted


def test_a_group_of_one_gives_what_one_process_gives():
    [found] = run_ranks(on_rank, 1)
    alone = seen(Alone(), VALUES)
    assert found.keys() == alone.keys()
    for name in alone:
        check(found[name], alone[name])


def test_one_process_gives_sums_and_concatenations_that_are_its_own():
    found = seen(Alone(), VALUES)
    check(found["sum"], [value for value in VALUES if value.dtype != torch.bool])
    check(found["gather"], [value for value in VALUES if value.dim()])
    assert found["broadcast"] == {"step": 3, "rank": 0, "none": None}
    assert not any(found["carry gradients"])
    value = torch.zeros(2)
    for result in (Alone().sum(value), Alone().gather(value)):
        result += 1
    assert not value.any()


def test_two_ranks_sum_concatenate_in_rank_order_and_hear_rank_0():
    ranks = run_ranks(on_rank, 2)
    for rank, found in enumerate(ranks):
        assert (found["rank"], found["size"]) == (rank, 2)
        check(found["sum"], [2 * value + 1 for value in VALUES if value.dtype != torch.bool])
        parts = [[v if v.dtype == torch.bool else v + r for v in VALUES if v.dim()] for r in range(2)]
        check(found["gather"], [torch.cat(pair) for pair in zip(*parts, strict=True)])
        check(found["gather of a transposed view"], torch.cat([(VALUES[1] + r).T for r in range(2)]))
        assert found["broadcast"] == {"step": 3, "rank": 0, "none": None}
        check(found["given"], [v if v.dtype == torch.bool else v + rank for v in VALUES])
        assert not any(found["carry gradients"])


def gradient_through_gather(rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    world = Group() if rank >= 0 else Alone()
    value = torch.arange(2.0) + 10 * rank
    value.requires_grad_()
    gathered = world.gather_with_gradient(value)
    # Each rank's loss weighs all ranks' values in its own way.
    (gathered * torch.arange(1.0, len(gathered) + 1) * (rank + 2)).sum().backward()
    return gathered.detach(), value.grad


def test_gathered_values_carry_the_gradients_of_all_ranks():
    for rank, (gathered, gradient) in enumerate(run_ranks(gradient_through_gather, 2)):
        assert gathered.tolist() == [0.0, 1.0, 10.0, 11.0]
        assert gradient.tolist() == [
            (2 + 3) * place for place in (1.0, 2.0, 3.0, 4.0)[2 * rank : 2 * rank + 2]
        ]
    gathered, gradient = gradient_through_gather(-1)
    assert gathered.tolist() == [-10.0, -9.0]
    assert gradient.tolist() == [1.0, 2.0]


NOBODY_LAUNCHED_ME = """
import torch
from pretrain.world import join_group
world = join_group()
assert (world.rank, world.size) == (0, 1)
assert world.sum(torch.tensor(3.0)).item() == 3.0
assert world.gather(torch.ones(2)).tolist() == [1.0, 1.0]
assert world.broadcast("a") == "a"
world.barrier()
assert join_group().size == 1  # a second call finds the group
"""


def test_a_process_that_nobody_launched_is_a_group_of_one_without_a_meeting_place():
    # A rendezvous port that is taken would stop the process if it asked for one.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        launched = {"RANK", "WORLD_SIZE", "LOCAL_RANK"}
        environment = {name: value for name, value in os.environ.items() if name not in launched}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1])}
        process = subprocess.run(
            [sys.executable, "-c", NOBODY_LAUNCHED_ME], env=environment, capture_output=True, text=True
        )
    assert process.returncode == 0, process.stderr


def join_existing(rank: int) -> tuple[int, int]:
    world = join_group()
    world.barrier()
    return world.rank, world.size


def test_a_launchers_group_is_joined():
    assert run_ranks(join_existing, 2) == [(0, 2), (1, 2)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="tells what happens without a GPU")
def test_without_a_gpu_the_device_is_the_cpu():
    assert local_device() == torch.device("cpu")
