"""Pretraining as a Ray job: a killed worker resumes, and the stream misses and repeats nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

from infra.ray_head import RayHead
from pretrain.checkpoint_reader import committed
from pretrain.config import Request, load
from pretrain.meter import clip_fingerprint
from pretrain.recipe import PretrainConfig
from shards import storage
from shards.plan import Plan
from shards.policies import DistinctIdentity
from shards.tracks import load_tracks
from tests.drawn_set import write_set

ROOT = Path(__file__).parents[2]
STEPS, BATCH, SAVE_EVERY = 40, 4, 10
CONFIG = "pretrain/configs/clp_cpu.yaml"


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory, object_store):
    with RayHead(tmp_path_factory.mktemp("ray"), object_store.environment) as head:
        yield head


def submit(ray_head, bucket_url: str, tracking_uri: str, run: str) -> subprocess.Popen:
    words = [
        *("-m", "ray_jobs.pretrain_job", CONFIG),
        f"data.url={bucket_url}/set",
        f"run.url={bucket_url}/{run}",
        f"tracking.uri={tracking_uri}",
        f"tracking.name={run}",
        *(
            f"run.steps={STEPS}",
            f"run.global_batch={BATCH}",
            "run.log_every=1",
            f"run.save_every={SAVE_EVERY}",
        ),
        *("encoder.image_size=32", "cluster.workers=2"),
    ]
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "job", "submit", "--working-dir", ".", "--runtime-env", "infra/runtime_env.yaml"]
    return subprocess.Popen(
        [*command, "--", "python", *words],
        cwd=ROOT,
        env=os.environ | ray_head.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "RayTrainWorker" in " ".join(p.cmdline())]


def kill_one_after_a_checkpoint(run_url: str, job: subprocess.Popen) -> None:
    deadline = time.monotonic() + 180
    while not committed(run_url):
        assert job.poll() is None, job.communicate()[0][-3000:]
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.1)
    [first, *_] = workers()
    os.kill(first.pid, signal.SIGKILL)


def history(tracking_uri: str, run_url: str, name: str) -> dict[int, float]:
    """Last value of a metric at each step: a resumed attempt logs the steps after its checkpoint again."""
    run_id = json.loads(storage.read_bytes(storage.join(run_url, "mlflow_run.json")))["run_id"]
    entries = MlflowClient(tracking_uri).get_metric_history(run_id, name)
    return {entry.step: entry.value for entry in sorted(entries, key=lambda entry: entry.timestamp)}


@pytest.mark.timeout(600)
def test_a_killed_worker_resumes_with_nothing_missing_or_repeated(
    ray_head, bucket_url, tracking_server, tmp_path
):
    write_set(f"{bucket_url}/set", tmp_path, people=8, samples_per_person=3, frames=64)
    uri = tracking_server.uri
    killed = submit(ray_head, bucket_url, uri, "killed")
    kill_one_after_a_checkpoint(f"{bucket_url}/killed", killed)
    output = killed.communicate(timeout=300)[0]
    assert killed.returncode == 0, output[-3000:]
    straight = submit(ray_head, bucket_url, uri, "straight")
    output = straight.communicate(timeout=300)[0]
    assert straight.returncode == 0, output[-3000:]

    attempts = storage.list_names(f"{bucket_url}/killed/attempts")
    assert len(attempts) == 2
    assert len(storage.list_names(f"{bucket_url}/straight/attempts")) == 1
    tracks = load_tracks(f"{bucket_url}/set")
    words = ("data.url=x", "run.url=x")
    config = load(PretrainConfig, Request((ROOT / CONFIG,), words, print_only=False))
    plan = Plan(tracks, config.clp.clip_spec, BATCH, 0, DistinctIdentity())
    planned = {
        step + 1: float(
            sum(clip_fingerprint(c.position, tracks.keys[c.row], c.frames_T) for c in plan.batch(step))
        )
        for step in range(STEPS)
    }
    for run in ("killed", "straight"):
        assert history(uri, f"{bucket_url}/{run}", "data/order_fingerprint") == planned
    one, other = (history(uri, f"{bucket_url}/{run}", "loss/total") for run in ("killed", "straight"))
    assert one == pytest.approx(other, rel=1e-4)
