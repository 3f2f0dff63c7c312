"""Pretraining as a Ray job: what is killed is gone on with, and the stream misses and repeats nothing."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ray_head import RayHead
from infra.services import ObjectStore, TrackingServer
from pretrain.config import Request, load
from pretrain.meter import clip_fingerprint
from pretrain.recipe import PretrainConfig
from shards import lease
from shards.plan import Plan
from shards.policies import DistinctIdentity
from shards.tracks import load_tracks
from tests.drawn_set import write_set
from tests.pretrain.tiny_runs import curve, spool_of
from tests.pretrain_jobs import attempts, digests, drivers, newest_step, submit, workers
from tests.torchrun import pretrain_on_ranks

STEPS, BATCH, SAVE_EVERY, SEED = 40, 4, 10, 2026
CONFIG = "pretrain/configs/clp_cpu.yaml"


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore) -> Iterator[RayHead]:
    with RayHead(tmp_path_factory.mktemp("ray"), object_store.environment) as head:
        yield head


def planned(set_url: str) -> dict[int, float]:
    """What each step's clips add up to."""
    tracks = load_tracks(set_url)
    config = load(PretrainConfig, Request((Path(CONFIG),), ("data.url=x", "run.url=x"), print_only=False))
    plan = Plan(tracks, config.clp.clip_spec, BATCH, 0, DistinctIdentity())
    return {
        step + 1: float(
            sum(clip_fingerprint(c.position, tracks.keys[c.row], c.frames_T) for c in plan.batch(step))
        )
        for step in range(STEPS)
    }


@pytest.mark.timeout(600)
def test_driver_and_worker_are_killed_and_another_driver_follows(
    ray_head: RayHead, bucket_url: str, tracking_server: TrackingServer, tmp_path: Path
) -> None:
    """The end is, bit by bit, that of as many ranks without Ray."""
    drawn, uri, run_url = random.Random(SEED), tracking_server.uri, f"{bucket_url}/killed"
    write_set(f"{bucket_url}/set", tmp_path, people=8, samples_per_person=3, frames=64)
    words = [
        *(CONFIG, f"data.url={bucket_url}/set", f"run.steps={STEPS}", f"run.global_batch={BATCH}"),
        *("run.log_every=1", f"run.save_every={SAVE_EVERY}", "encoder.image_size=32"),
    ]
    first = submit(ray_head, [*words, "cluster.workers=2"], run_url, uri)
    first.until(lambda: newest_step(run_url))
    [driver] = drivers()
    driver.kill()
    first.failed()

    second = submit(ray_head, [*words, "cluster.workers=2"], run_url, uri)
    follower = submit(ray_head, [*words, "cluster.workers=2"], run_url, uri)
    second.until(lambda: attempts(run_url) == 2 and len(workers()) == 2)
    drawn.choice(workers()).kill()
    pretrain_on_ranks(2, [*words, f"run.url={bucket_url}/straight"], tmp_path / "straight")
    straight = curve(spool_of(tmp_path / "straight"))
    outputs = [second.ended(), follower.ended()]

    assert sum(f"leads {run_url} with lease 2; following it" in output for output in outputs) == 1
    assert (lease.newest(run_url), attempts(run_url)) == (2, 3)
    found = second.curve()
    assert {step: metrics["data/order_fingerprint"] for step, metrics in found.items()} == planned(
        f"{bucket_url}/set"
    )
    for step, metrics in straight.items():
        assert found[step]["loss/total"] == metrics["loss/total"], step
    assert digests(run_url) == digests(f"{bucket_url}/straight")
