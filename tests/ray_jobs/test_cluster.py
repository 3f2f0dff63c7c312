"""A node that Ray takes away, as for spot machines: the run saves in time and goes on elsewhere."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import ray
from mlflow.tracking import MlflowClient
from ray.cluster_utils import Cluster

from infra.services import TrackingServer
from pretrain.checkpoint_reader import CheckpointReader, committed
from ray_jobs import pretrain_job
from shards import storage
from tests.drawn_set import write_set
from tests.raylets import raylets

ROOT = Path(__file__).parents[2]
STEPS, LOG_EVERY = 400, 5
NOTICE_SECONDS = 60


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A node that is taken away is noticed in a second."""
    with raylets(
        monkeypatch, {"RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1", "OMP_NUM_THREADS": "1"}
    ) as cluster:
        yield cluster


def wait_until(happens: Callable[[], object], job: Future[None]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        assert not job.done(), job.exception()
        time.sleep(0.1)


def steps_logged(uri: str, run_url: str) -> list[int]:
    place = storage.join(run_url, "mlflow_run.json")
    if not storage.exists(place):
        return []
    run_id = json.loads(storage.read_bytes(place))["run_id"]
    return [entry.step for entry in MlflowClient(uri).get_metric_history(run_id, "loss/total")]


def drain(cluster: Cluster, node_id: str) -> None:
    """As an autoscaler does that was told of a spot machine's end."""
    ray_command = str(Path(sys.executable).with_name("ray"))
    words = [
        *(ray_command, "drain-node", "--address", cluster.address, "--node-id", node_id),
        *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "the spot machine is taken back"),
        *("--deadline-remaining-seconds", str(NOTICE_SECONDS)),
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def node_of_a_worker() -> str:
    children = psutil.Process().children(recursive=True)
    worker = next(process for process in children if "RayTrainWorker" in " ".join(process.cmdline()))
    raylet = worker.parent().cmdline()
    sockets = {f"--raylet_socket_name={node['RayletSocketName']}": node["NodeID"] for node in ray.nodes()}
    [node] = [sockets[word] for word in raylet if word in sockets]
    return str(node)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_drained_node_is_left_in_time(cluster: Cluster, tracking_server: TrackingServer, tmp_path: Path):
    write_set(str(tmp_path / "set"), tmp_path / "tars", people=8, samples_per_person=3, frames=64)
    run_url, uri = str(tmp_path / "run"), tracking_server.uri
    words = (
        "pretrain/configs/clp_cpu.yaml",
        *(f"data.url={tmp_path / 'set'}", f"run.url={run_url}", f"tracking.uri={uri}"),
        *(f"run.steps={STEPS}", "run.global_batch=8", f"run.log_every={LOG_EVERY}", "run.save_every=100000"),
        *("encoder.image_size=32", "cluster.workers=2", "cluster.max_failures=0"),
    )
    with ThreadPoolExecutor(1) as beside:
        job = beside.submit(pretrain_job.main, list(words))
        wait_until(lambda: len(steps_logged(uri, run_url)) > 2, job)
        drain(cluster, node_of_a_worker())
        began = time.monotonic()
        wait_until(lambda: committed(run_url), job)
        assert time.monotonic() - began < NOTICE_SECONDS
        job.result()
    first, last = committed(run_url)
    assert [Path(url).name.partition("-")[0] for url in (first, last)] == ["0001", "0002"]
    assert CheckpointReader(first).facts["step"] < CheckpointReader(last).facts["step"] == STEPS
    assert sorted(set(steps_logged(uri, run_url))) == list(range(LOG_EVERY, STEPS + 1, LOG_EVERY))
    assert storage.exists(storage.join(run_url, "encoder", "config.json"))
