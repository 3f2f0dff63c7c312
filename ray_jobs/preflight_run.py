"""What a run asks of its cluster beyond the nodes: batches, memory, tracking, what is sent along."""

import fnmatch
import math
import os
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import ray
import yaml

from pretrain.config import ConfigError
from pretrain.engine import resolve_stage
from pretrain.engines.plan import GIB, state_bytes
from pretrain.models.encoder import on_paper
from pretrain.recipe import check, outlook
from ray_jobs.preflight_check import Check, asked, judged
from ray_jobs.preflight_nodes import NodeFacts
from ray_jobs.pretrain_worker import PretrainJob

RUNTIME_ENV = Path("infra/runtime_env.yaml")
LIMIT_VARIABLE = "RAY_max_grpc_message_size"
WORKING_DIR_BYTES = 512 * 2**20
"""Ray's own limit, unless LIMIT_VARIABLE says otherwise."""
ANSWER_SECONDS = 10.0


def parameters_of(job: PretrainJob) -> int:
    """Of the encoder, heads left out."""
    return sum(parameter.numel() for parameter in on_paper(job.encoder).parameters())


def check_fit(job: PretrainJob) -> Check:
    """Batches, sets and the cluster's resources."""

    def ask() -> str:
        check(job, job.cluster.workers)
        cluster = job.cluster
        wanted = {
            "CPU": cluster.workers * cluster.cpus_per_worker,
            "GPU": cluster.workers * cluster.gpus_per_worker,
        }
        there = ray.cluster_resources()
        lacking = [
            f"{count} {name} wanted, {there.get(name, 0):g} there"
            for name, count in wanted.items()
            if there.get(name, 0) < count
        ]
        if lacking:
            raise ConfigError(f"{cluster.workers} workers do not fit: {', '.join(lacking)}")
        per_rank = job.run.global_batch // cluster.workers
        return (
            f"{cluster.workers} workers x {per_rank} clips, {job.data.stream.threads} decoding threads each, "
            f"on {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs"
        )

    return asked("batch, set and workers", ask, "correct the config, or add nodes")


def check_memory(job: PretrainJob, nodes: Sequence[NodeFacts]) -> Check:
    """By arithmetic: the forecast where the config has `expected`, else the training state alone."""

    def ask() -> str:
        if lines := outlook(job):
            return "; ".join(line for line in lines if "memory" in line)
        workers = job.cluster.workers
        if job.cluster.gpus_per_worker:
            memory = min(node.gpu_bytes for node in nodes)
        else:
            memory = min(node.memory_bytes for node in nodes) // math.ceil(workers / len(nodes))
        parameters = parameters_of(job)
        stage = 0
        if job.engine.kind == "deepspeed":
            stage, _ = resolve_stage(job.engine, parameters, workers, memory)
        # One more copy of the weights: a momentum encoder's.
        state = state_bytes(parameters, workers, stage, job.engine.offload != "none") + 4 * parameters
        if state > memory:
            raise ConfigError(
                f"{state / GIB:.1f} GiB of training state per rank do not fit {memory / GIB:.1f} GiB"
            )
        return f"{state / GIB:.2f} GiB of state in {memory / GIB:.1f} GiB per rank; activations not counted"

    return asked("memory", ask, "take more workers, engine.offload=all or a smaller encoder")


def check_mlflow(uri: str) -> Check:
    """Whether the tracking server answers, and with a version that this client speaks to."""
    name = f"MLflow at {uri}"
    try:
        with urllib.request.urlopen(f"{uri}/version", timeout=ANSWER_SECONDS) as answer:
            version = answer.read().decode().strip()
    except (OSError, ValueError) as error:
        return Check(name, f"no answer: {error}", "start it, or correct tracking.uri")
    return judged(
        name,
        version.split(".")[0] == mlflow.__version__.split(".")[0],
        f"version {version}, the client's is {mlflow.__version__}",
        "use a server and a client of one major version",
    )


def check_working_dir(root: Path | None = None) -> Check:
    """What `ray job submit --working-dir .` sends along, before it is compressed."""
    size = sum(_sent(root or Path.cwd()))
    limit = int(os.environ.get(LIMIT_VARIABLE, WORKING_DIR_BYTES))
    return judged(
        "working directory",
        size < limit,
        f"{size / 1e6:.1f} MB of at most {limit / 1e6:.0f} MB",
        f"exclude data and runs in {RUNTIME_ENV}, or bake the source into the image",
    )


def _sent(root: Path) -> Iterator[int]:
    """Bytes of each file that is not excluded."""
    file = root / RUNTIME_ENV
    excludes = yaml.safe_load(file.read_text())["excludes"] if file.is_file() else []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _excluded(name, excludes)]
        for name in files:
            path = Path(folder, name)
            if not _excluded(name, excludes) and not path.is_symlink():
                yield path.stat().st_size


def _excluded(name: str, excludes: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in excludes)
