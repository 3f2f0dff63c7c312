"""What nodes say of themselves is judged; a node that differs is named."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ray_jobs.preflight_network import check_all_reduce
from ray_jobs.preflight_nodes import (
    PACKAGES,
    NodeFacts,
    NodeLimits,
    ask_nodes,
    judge_nodes,
    source_digest,
    versions,
)
from tests.drawn_set import write_set
from tests.raylets import NODE, raylets

LIMITS = NodeLimits(shm_bytes=512 * 10**6, spool_bytes=5 * 10**9, open_files=4096, clock_seconds=2.0)
GOOD = NodeFacts(
    name="a (10.0.0.1)",
    shm_bytes=8 * 10**9,
    spool="/tmp",
    spool_bytes=90 * 10**9,
    open_files=65536,
    memory_bytes=64 * 10**9,
    gpu_bytes=0,
    versions=versions(),
    data="d" * 64,
    sees_data=True,
)
OTHER = replace(GOOD, name="b (10.0.0.2)")


def wrong(*nodes):
    return [check.line for check in judge_nodes(nodes, LIMITS) if not check.ok]


def test_equal_nodes_with_room_are_fine():
    assert wrong(GOOD) == []
    assert wrong(GOOD, replace(OTHER, clock_seconds=1.5)) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"shm_bytes": 64 * 2**20},
            "wrong  /dev/shm: b (10.0.0.2): 0.07 GB; at least 0.51 GB",
        ),
        ({"spool_bytes": 10**9}, "wrong  free disk for spooling, /tmp: b (10.0.0.2): 1.00 GB; at least 5.00"),
        (
            {"open_files": 1024},
            "wrong  open files (ulimit -n): b (10.0.0.2): 1024; at least 4096",
        ),
        (
            {"clock_seconds": -3.0},
            "wrong  clocks of the nodes: 3.000 s apart, the farthest b (10.0.0.2)",
        ),
        (
            {"versions": {**versions(), "torch": "1.0"}},
            f"wrong  versions: torch {versions()['torch']} on a (10.0.0.1); 1.0 on b (10.0.0.2)",
        ),
        (
            {"sees_data": False, "data": "gone"},
            "wrong  data.url read: b (10.0.0.2): gone; every",
        ),
        ({"data": "e" * 64}, "wrong  data.url read: set dddddddddddd and eeeeeeeeeeee"),
    ],
)
def test_the_node_that_differs_is_named(changes, line):
    (found,) = wrong(GOOD, replace(OTHER, **changes))
    assert found.startswith(line)


def test_the_source_has_a_digest_that_any_change_moves(tmp_path):
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    assert source_digest(tmp_path) == source_digest(root)
    with (tmp_path / "shards" / "plan.py").open("a") as file:
        file.write("\n")
    assert source_digest(tmp_path) != source_digest(root)


def fine(nodes):
    return [check.line for check in judge_nodes(nodes, replace(LIMITS, spool_bytes=1)) if not check.ok]


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_real_node_with_another_package_and_no_way_to_the_others_is_named(tmp_path, monkeypatch):
    """Three raylets that agree, then one where another DeepSpeed is installed and the network is unknown."""
    url = str(tmp_path / "set")
    write_set(url, tmp_path / "tars")
    package = tmp_path / "other" / "deepspeed-0.0.1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: deepspeed\nVersion: 0.0.1\n")
    with raylets(monkeypatch, {"OMP_NUM_THREADS": "1"}) as cluster:
        nodes = ask_nodes(url, wait_seconds=100)
        assert (len(nodes), fine(nodes)) == (3, [])
        assert max(abs(node.clock_seconds) for node in nodes) < 1
        reduced = check_all_reduce(10**6, 0, most_step_seconds=60, wait_seconds=100)
        assert reduced.line.startswith("ok     all-reduce (gloo, 3 processes on 3 nodes): ")
        other = {"PYTHONPATH": str(tmp_path / "other"), "GLOO_SOCKET_IFNAME": "nowhere0"}
        cluster.add_node(**NODE, env_vars=other)
        (line,) = fine(ask_nodes(url, wait_seconds=100))
        assert line.startswith("wrong  versions: deepspeed ")
        assert "; 0.0.1 on " in line
        reduced = check_all_reduce(10**6, 0, most_step_seconds=60, wait_seconds=20)
        assert reduced.line.startswith("wrong  all-reduce (gloo, 4 processes on 4 nodes): no answer: ")
        assert "GLOO_SOCKET_IFNAME" in reduced.todo
