"""Preflight on a real Ray: all is well here; then each thing is really wrong, and its line says so."""

import os
from pathlib import Path

import pytest

from infra.server import free_ports
from pretrain.config import Request, load
from ray_jobs import preflight
from ray_jobs.preflight_run import check_fit
from ray_jobs.pretrain_worker import PretrainJob
from tests.drawn_set import write_set
from tests.ports import listeners
from tests.raylets import one_node


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("preflight")
    write_set(str(root / "set"), root / "tars", people=8, samples_per_person=3, frames=64)
    return root


@pytest.fixture(scope="module")
def node():
    with one_node(cpus=2):
        yield


@pytest.fixture
def ask(place, tracking_server, capsys):
    """Lines of the command by name, and its status."""

    def ask(*words):
        given = (
            *("pretrain/configs/clp_cpu.yaml", f"data.url={place / 'set'}", f"run.url={place / 'run'}"),
            *(f"tracking.uri={tracking_server.uri}", "run.global_batch=8", "preflight.spool_mb=10", *words),
        )
        status = 0
        try:
            preflight.main(list(given))
        except SystemExit as ended:
            status = ended.code
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("ok ", "wrong "))]
        return {line[7:].partition(":")[0]: line for line in lines}, status

    return ask


def wrong(lines):
    return [name for name, line in lines.items() if line.startswith("wrong")]


def test_all_is_well(node, ask):
    lines, status = ask()
    assert wrong(lines) == []
    assert status == 0
    assert len(lines) == 19
    assert "2 workers x 4 clips" in lines["batch, set and workers"]
    assert "GB/s, so" in lines["all-reduce (gloo, 2 processes on 1 node)"]
    assert ", on 1 node" in lines["versions"]


def test_a_tests_own_ray_listens_on_loopback_alone(node):
    found = listeners(os.getpid())
    assert len(found) > 4
    assert {one for one in found if one.address != "loopback"} == set()


def test_each_thing_that_is_wrong_has_a_line(node, ask, place, monkeypatch):
    (free,) = free_ports(1)
    monkeypatch.setenv("RAY_max_grpc_message_size", "1000")
    expected = {"ranks": 2, "device_gib": 0.0001, "clips_per_second": 30, "samples": 24}
    limits = ("shm_mb", "spool_mb", "open_files")
    lines, status = ask(
        *(f"tracking.uri=http://127.0.0.1:{free}", f"data.url={place / 'nowhere'}"),
        *(f"expected.{name}={value}" for name, value in expected.items()),
        *(f"preflight.{name}=1000000000" for name in limits),
        "preflight.all_reduce_seconds=0",
    )
    assert status == 2
    assert [name.split(",")[0] for name in wrong(lines)] == [
        *("working directory", "MLflow at http", "/dev/shm", "free disk for spooling"),
        *("open files (ulimit -n)", "data.url read", "batch", "memory"),
        "all-reduce (gloo",
    ]
    assert "start it, or correct tracking.uri" in lines["MLflow at http"]
    assert "has no manifest.json" in lines["data.url read"]
    assert "no ZeRO stage fits" in lines["memory"]


def test_workers_and_batches_that_do_not_fit(node, place):
    words = (f"data.url={place / 'set'}", "run.url=u", "tracking.uri=t", "run.global_batch=8")
    file = (Path("pretrain/configs/clp_cpu.yaml"),)

    def found(*more):
        return check_fit(load(PretrainJob, Request(file, (*words, *more), print_only=False))).line

    assert found() == (
        "ok     batch, set and workers: 2 workers x 4 clips, 2 decoding threads each, on 2 CPUs and 0 GPUs"
    )
    assert "8 workers do not fit: 8 CPU wanted, 2 there" in found("cluster.workers=8")
    assert "run.global_batch=9 does not divide by 2 processes; use 10" in found("run.global_batch=9")
