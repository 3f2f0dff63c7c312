"""Gauges: every logged metric stands at the node's Prometheus endpoint while a run trains."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.ray_head import RayHead
from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.tracking import SpoolTracker
from ray_jobs.gauges import PREFIX, GaugeTracker
from tests.drawn_set import write_set

ROOT = Path(__file__).parents[2]
LINE = re.compile(rf"^ray_({PREFIX}\w+)\{{(.*)\}} (\S+)$", re.MULTILINE)
DRAIN_SECONDS = 60
Shown = dict[tuple[str, str | None], tuple[dict[str, str], float]]


def test_metrics_go_on_to_the_tracker_and_to_a_gauge_each(tmp_path):
    tracker = GaugeTracker(SpoolTracker(tmp_path / "spool"), "faces", "first", 10)
    tracker.log({"loss/total": 2.0, "loss/temporal": 1.0, "speed/clips_per_s": 3.0}, 5)
    tracker.adopt(["{}"])
    assert tracker.unsent() == []
    tracker.finish()
    line, adopted = (tmp_path / "spool").read_text().splitlines()
    assert json.loads(line)["metrics"] == {"loss/total": 2.0, "loss/temporal": 1.0, "speed/clips_per_s": 3.0}
    assert adopted == "{}"
    assert set(tracker._gauges) == {"steps", "step", "logged_unix_seconds", "loss", "speed_clips_per_s"}
    assert tracker._gauges["loss"].info["tag_keys"] == ("experiment", "run", "part")


def shown(address: str) -> Shown:
    """Values by gauge and part of the loss, with their labels."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read().decode()
    except urllib.error.URLError:  # the head answers jobs before it answers Prometheus
        return {}
    found = {}
    for name, labels, value in LINE.findall(text):
        pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[name, pairs.get("part")] = pairs, float(value)
    return found


@pytest.fixture
def head(object_store, tmp_path) -> Iterator[RayHead]:
    environment = {
        **object_store.environment,
        "RAY_metrics_report_interval_ms": "500",
        "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_SECONDS),
    }
    with RayHead(tmp_path / "ray", environment) as head:
        yield head


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_run_shows_its_metrics_and_saves_when_its_pod_ends(head, bucket_url, tracking_server, tmp_path):
    """SIGTERM comes to `ray start --block`, which drains its node; here the run has no other to go to."""
    write_set(f"{bucket_url}/set", tmp_path, people=8, samples_per_person=3, frames=64)
    ray = str(Path(sys.executable).with_name("ray"))
    words = (
        "pretrain/configs/clp_cpu.yaml",
        *(f"data.url={bucket_url}/set", f"run.url={bucket_url}/run", f"tracking.uri={tracking_server.uri}"),
        *("tracking.experiment=faces", "tracking.name=first", "cluster.workers=2", "encoder.image_size=32"),
        *("run.steps=100000", "run.global_batch=4", "run.log_every=5", "run.save_every=100000"),
    )
    submit = [ray, "job", "submit", "--working-dir", ".", "--runtime-env", "infra/runtime_env.yaml"]
    job = subprocess.Popen(
        [*submit, "--submission-id", "pretrain", "--", "python", "-m", "ray_jobs.pretrain_job", *words],
        cwd=ROOT,
        env=os.environ | head.environment,
        stdout=(tmp_path / "job.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    found: Shown = {}
    deadline = time.monotonic() + 180
    while (f"{PREFIX}optim_gradient_norm", None) not in found:
        assert time.monotonic() < deadline, (tmp_path / "job.log").read_text()[-3000:]
        time.sleep(0.5)
        found = shown(head.metrics_address)
    labels, step = found[f"{PREFIX}step", None]
    assert labels.items() >= {"experiment": "faces", "run": "first"}.items()
    assert step > 0
    assert step % 5 == 0
    assert found[f"{PREFIX}steps", None][1] == 100000
    assert found[f"{PREFIX}loss", "total"][1] > 0
    assert {f"{PREFIX}{name}" for name in ("data_wait_share", "speed_clips_per_s", "memory_peak_mb")} <= {
        name for name, _ in found
    }

    assert not committed(f"{bucket_url}/run")
    psutil.Process(head.pid).send_signal(signal.SIGTERM)
    deadline = time.monotonic() + DRAIN_SECONDS
    while not committed(f"{bucket_url}/run"):
        assert time.monotonic() < deadline, (tmp_path / "job.log").read_text()[-3000:]
        time.sleep(0.2)
    [saved] = committed(f"{bucket_url}/run")
    assert CheckpointReader(saved).facts["step"] >= step
    job.kill()
    job.wait()
