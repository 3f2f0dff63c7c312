"""Packing on a Ray cluster: the bytes of the local packer, whatever happens to the nodes."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from infra.ray_head import RayHead
from infra.services import ObjectStore
from ray_jobs.pack_cluster import ClusterPackers, PackClusterConfig
from ray_jobs.pack_report import line
from shards import storage
from shards.errors import ShardError
from shards.pack.pack import PackConfig, Progress, pack
from shards.verify import verify
from tests.clips import face_frames, flat_frames, write_video
from tests.raylets import raylets

ROOT = Path(__file__).parents[2]
SETTINGS = {"size": 48, "videos_per_unit": 2, "frames_per_sample": 16}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    frames = face_frames(60)
    for person in range(11):
        write_video(root / f"person{person}" / "1.mp4", frames[: 40 + person])
    write_video(root / "flat.mp4", flat_frames(12))
    (root / "zero.mp4").touch()
    (root / "notes.txt").write_text("no video")
    return root


@pytest.fixture(scope="module")
def local(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> PackConfig:
    """What was packed on one machine."""
    config = PackConfig(str(videos), str(tmp_path_factory.mktemp("local") / "set"), "folder", **SETTINGS)
    pack(config)
    return config


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A dead node is seen in seconds, not in a minute."""
    environment = {
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "2000",
        "RAY_health_check_failure_threshold": "3",
    }
    with raylets(monkeypatch, environment) as cluster:
        yield cluster


def files(url: str) -> dict[str, bytes]:
    return {name: storage.read_bytes(storage.join(url, name)) for name in storage.list_names(url)}


def packing(config: PackConfig, cluster: PackClusterConfig, seen: list[Progress]) -> threading.Thread:
    """A pack on the cluster that goes on beside the test, which may add nodes and lose them."""

    def packs() -> None:
        pack(config, lambda progress: seen.append(replace(progress)), ClusterPackers(cluster))

    thread = threading.Thread(target=packs)
    thread.start()
    return thread


def wait_until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.timeout(300)
def test_killed_nodes_and_detectors_give_the_same_bytes(
    cluster: Cluster, local: PackConfig, tmp_path: Path
) -> None:
    config = replace(local, url=str(tmp_path / "set"), spool=tmp_path / "spool")
    seen: list[Progress] = []
    job = packing(config, PackClusterConfig(report_seconds=0.1), seen)
    # Each node has one CPU: with three units in work, each has one.
    wait_until(lambda: len(list((tmp_path / "spool").glob("*/lock"))) == 3)
    cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
    assert not storage.exists(storage.join(config.url, "manifest.json"))
    job.join()
    assert files(config.url) == files(local.url)
    assert (seen[-1].videos_done, seen[-1].bytes_done) == (seen[-1].videos, seen[-1].source_bytes)
    assert seen[-1].failures == {"no_face": 1, "empty_file": 1, "unknown_file": 1}

    config = replace(config, url=str(tmp_path / "detected"))
    job = packing(config, PackClusterConfig(detectors=1, report_seconds=0.1), seen)
    wait_until(lambda: list((tmp_path / "detected").glob("index/*")))
    (detector,) = [
        process
        for process in psutil.Process().children(recursive=True)
        if "DetectorActor" in " ".join(process.cmdline())
    ]
    detector.kill()
    assert not storage.exists(storage.join(config.url, "manifest.json"))
    job.join()
    assert files(config.url) == files(local.url)

    config = replace(config, url="unused", detector="tests.nothing:Detector")
    for detectors in (0, 1):
        with pytest.raises(ShardError, match=r"module 'tests\.nothing' cannot be imported"):
            pack(config, workplace=ClusterPackers(PackClusterConfig(detectors=detectors)))


def facscale_metrics(address: str) -> set[str]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return set(re.findall(r"ray_facscale_\w+", answer.read().decode()))
    except urllib.error.URLError:  # the head answers jobs before it answers Prometheus
        return set()


@pytest.mark.timeout(300)
def test_a_bucket_is_packed_by_a_submitted_job(
    local: PackConfig, videos: Path, object_store: ObjectStore, bucket_url: str, tmp_path: Path
) -> None:
    for path in videos.rglob("*"):
        if path.is_file():
            storage.write_bytes(f"{bucket_url}/in/{path.relative_to(videos)}", path.read_bytes())
    environment = {**object_store.environment, "RAY_metrics_report_interval_ms": "500"}
    with RayHead(tmp_path, environment) as head:
        words = [f"source={bucket_url}/in", f"url={bucket_url}/set", "layout=folder"]
        words += [f"{name}={value}" for name, value in SETTINGS.items()]
        submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--working-dir", "."]
        submit += ["--runtime-env", "infra/runtime_env.yaml", "--", "python", "-m", "ray_jobs.pack_job"]
        job = subprocess.Popen(
            [*submit, *words, "cluster.report_seconds=0.5"],
            cwd=ROOT,
            env=os.environ | head.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        metrics: set[str] = set()
        while job.poll() is None:  # they end with the job
            metrics |= facscale_metrics(head.metrics_address)
            time.sleep(0.3)
        output = job.communicate()[0]
        assert job.returncode == 0, output[-3000:]
    assert "pack: 13 of 13 videos" in output
    assert "1 empty_file, 1 no_face, 1 unknown_file" in output
    assert verify(f"{bucket_url}/set", deep=True).problems == []
    ours, theirs = files(local.url), files(f"{bucket_url}/set")
    assert {name for name in ours if ours[name] != theirs[name]} == {"pack.json"}  # it knows files by ETag
    assert {f"ray_facscale_pack_{name}" for name in ("videos", "source_bytes", "frames")} <= metrics


def test_the_line_of_progress() -> None:
    progress = Progress(40, 4_000_000_000, 12, 1_200_000_000, 5_300)
    progress.failures.update({"truncated": 1, "no_face": 2})
    assert line(progress, 10, 180) == (
        "12 of 40 videos, 1.20 of 4.00 GB, 530 frames/s, 3 min left; 2 no_face, 1 truncated"
    )


@pytest.mark.parametrize(
    ("name", "value"), [("bytes_in_flight", 0), ("most_losses", -1), ("detectors", -1), ("report_seconds", 0)]
)
def test_bad_settings(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        PackClusterConfig(**{name: value})
