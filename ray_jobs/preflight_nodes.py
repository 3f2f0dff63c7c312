"""What each node of a cluster is and has: clock, shared memory, disk, open files, versions, the data."""

import hashlib
import importlib.metadata
import os
import platform
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import shards
from ray_jobs.preflight_check import Check, judged
from shards.errors import ShardError
from shards.index import read_manifest

PACKAGES = ("shards", "pretrain", "finetune", "ray_jobs")
COMPARED = ("torch", "ray", "deepspeed", "mlflow")
CLOCK_ROUNDS = 5
SHM = "/dev/shm"


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself."""

    name: str
    shm_bytes: int
    spool: str
    spool_bytes: int
    open_files: int
    memory_bytes: int
    gpu_bytes: int
    """Of its smallest GPU; 0 where there is none."""
    versions: Mapping[str, str]
    data: str
    """Digest of the set at data.url, as this node sees it; else what went wrong."""
    sees_data: bool
    clock_seconds: float = 0.0
    """Its clock minus the asking process's, to within half of a call's time."""


class NodeProbe:
    """Runs on one node."""

    def time(self) -> float:
        return time.time()

    def facts(self, data_url: str) -> NodeFacts:
        sees, data = True, ""
        try:
            data = read_manifest(data_url).digest
        except ShardError as error:
            sees, data = False, str(error)
        gpus = range(torch.cuda.device_count())
        spool = tempfile.gettempdir()
        return NodeFacts(
            name=f"{socket.gethostname()} ({ray.util.get_node_ip_address()})",
            shm_bytes=shutil.disk_usage(SHM).total if os.path.isdir(SHM) else 0,
            spool=spool,
            spool_bytes=shutil.disk_usage(spool).free,
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            gpu_bytes=min((torch.cuda.get_device_properties(n).total_memory for n in gpus), default=0),
            versions=versions(),
            data=data,
            sees_data=sees,
        )


def versions() -> dict[str, str]:
    """Of what must be equal everywhere; facscale's is a digest of its source."""
    found = {"python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in COMPARED}
    return {**found, "facscale": source_digest(Path(shards.__file__).parents[1])[:12]}


def source_digest(root: Path) -> str:
    """sha256 over names and contents of the packages' modules and configs."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def node_ids() -> list[str]:
    """Of the nodes that are alive."""
    return [str(node["NodeID"]) for node in ray.nodes() if node["Alive"]]


def ask_nodes(data_url: str, wait_seconds: float) -> list[NodeFacts]:
    """Facts of each node, one probe on each, all at once.

    Raises:
        ray.exceptions.GetTimeoutError: a node did not answer in time.
    """
    probe = ray.remote(NodeProbe)
    probes = [
        probe.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        for node in node_ids()
    ]
    try:
        found = ray.get([each.facts.remote(data_url) for each in probes], timeout=wait_seconds)
        return [
            NodeFacts(**{**vars(facts), "clock_seconds": _clock(each, wait_seconds)})
            for each, facts in zip(probes, found, strict=True)
        ]
    finally:
        for each in probes:
            ray.kill(each)


def _clock(probe: object, wait_seconds: float) -> float:
    """By the quickest of some calls: half of its time is what the answer can be wrong by."""
    best_seconds, offset = float("inf"), 0.0
    for _ in range(CLOCK_ROUNDS):
        asked = time.time()
        told = ray.get(probe.time.remote(), timeout=wait_seconds)  # type: ignore[attr-defined]
        took = time.time() - asked
        if took < best_seconds:
            best_seconds, offset = took, told - (asked + took / 2)
    return offset


@dataclass(frozen=True)
class NodeLimits:
    """What every node needs."""

    shm_bytes: int
    spool_bytes: int
    open_files: int
    clock_seconds: float


def judge_nodes(nodes: Sequence[NodeFacts], limits: NodeLimits) -> Iterator[Check]:
    """A line for each thing looked at, which names the nodes where it is wrong."""
    yield _least(
        "/dev/shm",
        {node.name: node.shm_bytes for node in nodes},
        limits.shm_bytes,
        "give the container more (docker --shm-size, in Kubernetes an emptyDir with medium: Memory)",
    )
    yield _least(
        f"free disk for spooling, {nodes[0].spool}",
        {node.name: node.spool_bytes for node in nodes},
        limits.spool_bytes,
        "make room, or set TMPDIR to a larger disk",
    )
    files = {node.name: node.open_files for node in nodes}
    low = [f"{name}: {count}" for name, count in files.items() if count < limits.open_files]
    yield judged(
        "open files (ulimit -n)",
        not low,
        ", ".join(low) if low else f"at least {min(files.values())}",
        f"at least {limits.open_files} wanted; raise it (ulimit -n, LimitNOFILE, limits.conf)",
    )
    offsets = {node.name: node.clock_seconds for node in nodes}
    apart = max(offsets.values()) - min(offsets.values())
    farthest = max(offsets, key=lambda name: abs(offsets[name]))
    yield judged(
        "clocks of the nodes",
        apart <= limits.clock_seconds,
        f"{apart:.3f} s apart" + ("" if apart <= limits.clock_seconds else f", the farthest {farthest}"),
        f"at most {limits.clock_seconds:g} s wanted, leases are judged by them; set the clocks by NTP",
    )
    yield _equal_versions(nodes)
    yield _same_data(nodes)


def _least(name: str, found: Mapping[str, int], least: int, todo: str) -> Check:
    low = [f"{node}: {count / 1e9:.2f} GB" for node, count in found.items() if count < least]
    said = ", ".join(low) if low else f"at least {min(found.values()) / 1e9:.1f} GB"
    return judged(name, not low, said, f"at least {least / 1e9:.2f} GB wanted; {todo}")


def _equal_versions(nodes: Sequence[NodeFacts]) -> Check:
    differing = []
    for package in nodes[0].versions:
        named: dict[str, list[str]] = {}
        for node in nodes:
            named.setdefault(node.versions[package], []).append(node.name)
        if len(named) > 1:
            places = "; ".join(f"{version} on {', '.join(names)}" for version, names in named.items())
            differing.append(f"{package} {places}")
    shown = ", ".join(f"{name} {version}" for name, version in nodes[0].versions.items())
    return judged(
        "versions",
        not differing,
        ". ".join(differing) or f"{shown}, on {len(nodes)} node{'s' * (len(nodes) > 1)}",
        "use one image for all nodes, and submit with --working-dir",
    )


def _same_data(nodes: Sequence[NodeFacts]) -> Check:
    blind = [f"{node.name}: {node.data}" for node in nodes if not node.sees_data]
    digests = sorted({node.data[:12] for node in nodes if node.sees_data})
    return judged(
        "data.url read",
        not blind and len(digests) == 1,
        "; ".join(blind) or f"set {' and '.join(digests)}",
        "every node must read one and the same set: a store, or a shared folder",
    )
