"""`python -m ray_jobs.leave_node`: before a pod ends, let the run that trains on it save and go elsewhere."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray

from pretrain.config import MISSING, ConfigError, load, parse, run_command

USAGE = """
python -m ray_jobs.leave_node seconds=240

Tell Ray that this node goes in so many seconds, and wait until nothing trains on it or they are over. A run
notices at its next log step, saves, and starts anew on other nodes. A pod's preStop hook calls this, and
Kubernetes sends its SIGTERM only afterwards. Needs RAY_ADDRESS and the cluster's token; KubeRay gives both.
"""
TRAINS = "RayTrainWorker"
"""In the name of every process of a Ray Train worker group."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class LeaveConfig:
    seconds: int = MISSING
    """Notice that is given; shorter than the pod's terminationGracePeriodSeconds."""
    raylet: int | None = None
    """Process id of the node's raylet, where a machine has several nodes."""

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError(f"seconds must be at least 1, found {self.seconds}")


def training(raylet: int | None) -> list[psutil.Process]:
    """Processes that train, of this machine or of one raylet on it."""
    found = []
    for process in psutil.process_iter():
        try:
            if TRAINS in " ".join(process.cmdline()) and raylet in (None, process.ppid()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def drain(seconds: int) -> None:
    """Tell Ray that the node of this process goes, as an autoscaler does for a spot machine.

    Raises:
        ConfigError: Ray refuses, or does not know the node.
    """
    ray.init(log_to_driver=False)  # at RAY_ADDRESS
    node_id = ray.get_runtime_context().get_node_id()
    address = ray.get_runtime_context().gcs_address
    ray.shutdown()
    words = [
        *(str(Path(sys.executable).with_name("ray")), "drain-node", "--address", address),
        *("--node-id", node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"),
        *("--reason-message", "its pod ends", "--deadline-remaining-seconds", str(seconds)),
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise ConfigError(f"Ray did not drain node {node_id}: {done.stdout}{done.stderr}")


def main(arguments: list[str]) -> None:
    config = load(LeaveConfig, parse(arguments, USAGE))
    seconds, deadline = config.seconds, time.monotonic() + config.seconds
    left = training(config.raylet)
    if not left:
        sys.stdout.write("nothing trains here\n")
        return
    drain(seconds)
    while (left := training(config.raylet)) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    sys.stdout.write(
        f"{len(left)} processes still train after {seconds} s\n" if left else "training has left\n"
    )


if __name__ == "__main__":
    run_command(main)
