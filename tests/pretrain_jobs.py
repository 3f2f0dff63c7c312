"""Pretraining jobs on Ray nodes of this host, each with an address of its own, and what happens to them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from mlflow.tracking import MlflowClient

from infra.ray_head import RayHead
from infra.server import Server, free_ports
from pretrain.checkpoint_reader import CheckpointReader, committed
from shards import storage

ROOT = Path(__file__).parents[1]
CONFIG = "pretrain/configs/clp_cpu.yaml"
NODE_BYTES = 80_000_000
DRIVER, WORKER = "ray_jobs.pretrain_job", "RayTrainWorker"
TAKE_ALONG = ("--working-dir", ".", "--runtime-env", "infra/runtime_env.yaml")
QUICK_NODES = {
    # A node that is gone is known to be in seconds, not in a minute: its host refuses at once.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    # Ray's workers would give way to all else on the host.
    "RAY_worker_niceness": "0",
}
WAIT_SECONDS = 400.0
Curve = dict[int, dict[str, float]]


class RayNode(Server):
    """A node of one CPU that joins a head."""

    def __init__(self, folder: Path, head: RayHead, number: int) -> None:
        super().__init__(f"ray-node-{number}", folder)
        self._head, self.host = head, f"127.0.0.{number + 3}"
        self._log_begins = 0

    def server_environment(self) -> dict[str, str]:
        return self._head.server_environment()

    def command(self) -> list[str]:
        names = (
            *("--node-manager-port", "--object-manager-port", "--runtime-env-agent-port"),
            *("--dashboard-agent-listen-port", "--dashboard-agent-grpc-port", "--metrics-export-port"),
        )
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        return [
            *(str(Path(sys.executable).with_name("ray")), "start", f"--address={self._head.gcs_address}"),
            *(f"--node-ip-address={self.host}", "--num-cpus=1", f"--object-store-memory={NODE_BYTES}"),
            *("--block", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"),
            *(f"{name}={port}" for name, port in zip(names, free_ports(len(names)), strict=True)),
        ]

    def is_ready(self) -> bool:
        return "Ray runtime started" in self.log.read_text()[self._log_begins :]

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def raylet(self) -> psutil.Process:
        assert self.pid is not None
        children = psutil.Process(self.pid).children(recursive=True)
        [found] = [process for process in children if process.name() == "raylet"]
        return found

    def kill(self) -> None:
        """SIGKILL to the raylet and to all that runs under it, as when the machine is gone."""
        raylet = self.raylet()
        for process in [raylet, *raylet.children(recursive=True)]:
            _kill(process)

    def _stop(self) -> None:
        """Ray's daemons leave the group: those that this node began go first."""
        ours = psutil.Process(self.pid).children(recursive=True) if self.runs else []
        super()._stop()
        for process in ours:
            _kill(process)


def processes(words: str) -> list[psutil.Process]:
    """Those that this process started whose command line has `words`."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if words in line and "job submit" not in line:
            found.append(process)
    return found


def workers() -> list[psutil.Process]:
    return sorted(processes(WORKER), key=lambda process: process.pid)


def drivers() -> list[psutil.Process]:
    """Python itself, not the shell that a job is begun by; the oldest first."""
    found = [process for process in processes(DRIVER) if process.name().startswith("python")]
    return sorted(found, key=lambda process: process.create_time())


@dataclass
class Job:
    """A submitted job, or what is left of it."""

    process: "subprocess.Popen[str]"
    run_url: str
    uri: str
    began: float = field(default_factory=time.monotonic)

    def ended(self, seconds: float = WAIT_SECONDS) -> str:
        """Its output, when it has succeeded."""
        output = self.process.communicate(timeout=seconds)[0]
        assert self.process.returncode == 0, output[-4000:]
        return output

    def failed(self, seconds: float = WAIT_SECONDS) -> str:
        """Its output, when it has not."""
        output = self.process.communicate(timeout=seconds)[0]
        assert self.process.returncode != 0, output[-4000:]
        return output

    def until(self, happens: Callable[[], object], seconds: float = WAIT_SECONDS) -> float:
        """Wait for it while the job runs; seconds that it took."""
        began = time.monotonic()
        while not happens():
            assert self.process.poll() is None, self.process.communicate()[0][-4000:]
            assert time.monotonic() - began < seconds, "not in time"
            time.sleep(0.05)
        return time.monotonic() - began

    def newest_step(self) -> int:
        return newest_step(self.run_url)

    def entries(self, name: str) -> list[tuple[int, int, float]]:
        """Step, time and value of all that was logged."""
        run_id = json.loads(storage.read_bytes(storage.join(self.run_url, "mlflow_run.json")))["run_id"]
        found = MlflowClient(self.uri).get_metric_history(run_id, name)
        return sorted((entry.step, entry.timestamp, entry.value) for entry in found)

    def repeated(self) -> list[int]:
        """Steps that were logged more than once."""
        steps = [step for step, _, _ in self.entries("loss/total")]
        return sorted({step for step in steps if steps.count(step) > 1})

    def curve(self) -> Curve:
        """The last value of each metric at each step: a new attempt makes some steps again."""
        run_id = json.loads(storage.read_bytes(storage.join(self.run_url, "mlflow_run.json")))["run_id"]
        found: Curve = {}
        for name in MlflowClient(self.uri).get_run(run_id).data.metrics:
            for step, _, value in self.entries(name):
                found.setdefault(step, {})[name] = value
        return found


def newest_step(run_url: str) -> int:
    """Of the newest committed checkpoint; 0 where there is none."""
    found = committed(run_url)
    return int(found[-1].rpartition("-")[2]) if found else 0


def attempts(run_url: str) -> int:
    return len(storage.list_names(storage.join(run_url, "attempts")))


def digests(run_url: str) -> dict[str, str]:
    """sha256 of every tensor of the newest checkpoint."""
    return CheckpointReader(committed(run_url)[-1]).digests()


def submit(
    head: RayHead, words: Sequence[str], run_url: str, uri: str, how: Sequence[str] = TAKE_ALONG
) -> Job:
    """`ray job submit` of a pretraining, which runs on in a process beside."""
    submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", *how]
    process = subprocess.Popen(
        [*submit, "--", "python", "-m", DRIVER, *words, f"run.url={run_url}", f"tracking.uri={uri}"],
        cwd=ROOT,
        env=os.environ | head.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Job(process, run_url, uri)


class Nodes:
    """A head without CPUs and nodes of one CPU each; workers are on the nodes, drivers beside the head.

    Jobs find the code as in an image: nodes of one host share the folder of what jobs take along, and each
    clears it when it has no job.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], count: int) -> None:
        common = {"PYTHONPATH": str(ROOT), **QUICK_NODES, **allocator()}
        self._folder, self._environment, self._count = folder, {**common, **environment}, count
        self._stack = ExitStack()
        self._made = 0
        self.nodes: list[RayNode] = []

    def __enter__(self) -> "Nodes":
        with ExitStack() as stack:
            folder = self._folder / "head"
            self.head = stack.enter_context(RayHead(folder, self._environment, cpus=0, host="127.0.0.2"))
            self._stack = stack.pop_all()
        for _ in range(self._count):
            self.add()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self) -> RayNode:
        node = RayNode(self._folder / f"node{self._made}", self.head, self._made)
        self._made += 1
        self.nodes.append(self._stack.enter_context(node))
        return node

    def of_workers(self) -> list[RayNode]:
        """Nodes that have a worker."""
        raylets = {node: node.raylet().pid for node in self.nodes if node.runs}
        parents = [worker.ppid() for worker in workers()]
        return [node for node, pid in raylets.items() if pid in parents]

    def submit(self, words: Sequence[str], run_url: str, uri: str) -> Job:
        return submit(self.head, [str(ROOT / CONFIG), *words], run_url, uri, how=())

    def kill_all(self) -> None:
        """SIGKILL to every process of the cluster, the head's first."""
        assert self.head.pid is not None
        parents = [psutil.Process(self.head.pid), *(node.raylet() for node in self.nodes if node.runs)]
        for process in [one for parent in parents for one in [parent, *parent.children(recursive=True)]]:
            _kill(process)


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """SIGSTOP meanwhile."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


def allocator() -> dict[str, str]:
    """What jobs get that take the code along."""
    found: dict[str, str] = yaml.safe_load((ROOT / TAKE_ALONG[-1]).read_text())["env_vars"]
    return found


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
