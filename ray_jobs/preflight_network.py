"""How fast gradients are summed between nodes: a short all-reduce with the backend that training uses."""

import socket
import time
from datetime import timedelta

import ray
import torch
import torch.distributed as dist
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_jobs.preflight_check import Check, judged
from ray_jobs.preflight_nodes import node_ids

MEGABYTES = 16
ROUNDS = 5


class Rank:
    """One process of the group."""

    def address(self) -> str:
        """Where the others meet rank 0."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def seconds(self, address: str, rank: int, size: int, backend: str, wait_seconds: float) -> float:
        """The median of some rounds.

        Raises:
            RuntimeError: the processes do not reach each other.
        """
        wait = timedelta(seconds=wait_seconds)
        dist.init_process_group(backend, init_method=address, rank=rank, world_size=size, timeout=wait)
        device = "cuda" if backend == "nccl" else "cpu"
        try:
            value = torch.ones(MEGABYTES * 2**20 // 4, device=device)
            took = []
            for _ in range(ROUNDS + 1):  # the first one connects
                began = time.perf_counter()
                dist.all_reduce(value)
                float(value[0])  # a GPU's work has ended
                took.append(time.perf_counter() - began)
        finally:
            dist.destroy_process_group()
        return sorted(took[1:])[ROUNDS // 2]


def check_all_reduce(gradient_bytes: int, gpus: int, most_step_seconds: float, wait_seconds: float) -> Check:
    """One process on each node; two on a cluster of one node.

    Args:
        gradient_bytes: that are summed in a step.
        gpus: of each process; with any, the backend is nccl.
        most_step_seconds: that summing them may take.
        wait_seconds: for the processes to meet.
    """
    nodes = node_ids()
    places = nodes if len(nodes) > 1 else nodes * 2
    backend = "nccl" if gpus else "gloo"
    rank = ray.remote(Rank)
    ranks = [
        rank.options(
            num_cpus=0, num_gpus=gpus, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        for node in places
    ]
    name = f"all-reduce ({backend}, {len(places)} processes on {len(nodes)} node{'s' * (len(nodes) > 1)})"
    todo = (
        "open all ports between the nodes, and name the network by GLOO_SOCKET_IFNAME or NCCL_SOCKET_IFNAME"
    )
    try:
        address = ray.get(ranks[0].address.remote(), timeout=wait_seconds)
        answers = [
            each.seconds.remote(address, number, len(ranks), backend, wait_seconds)
            for number, each in enumerate(ranks)
        ]
        seconds = max(ray.get(answers, timeout=2 * wait_seconds))
    except (ray.exceptions.RayError, TimeoutError) as error:
        return Check(name, f"no answer: {str(error).strip().splitlines()[-1]}", todo)
    finally:
        for each in ranks:
            ray.kill(each)
    share = 2 * (len(ranks) - 1) / len(ranks)
    per_second = share * MEGABYTES * 2**20 / seconds
    step_seconds = share * gradient_bytes / per_second
    return judged(
        name,
        step_seconds <= most_step_seconds,
        f"{per_second / 1e9:.2f} GB/s, so {step_seconds:.3f} s for a step's {gradient_bytes / 1e6:.0f} MB",
        f"at most {most_step_seconds:g} s wanted; {todo}, or raise engine.accumulate",
    )
