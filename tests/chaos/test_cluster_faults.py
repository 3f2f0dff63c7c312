"""What clusters do to a pretraining, on real nodes with addresses of their own and S3 as the store.

After each fault training goes on as promised, the stream is the undisturbed one's, so are the losses and the
state at the end, bit by bit where the number of ranks was the same, and no more steps are made again than lie
between two checkpoints.
"""

import sys
import time
from collections.abc import Iterator, Sequence

import psutil
import pytest

from infra.server import free_ports
from infra.services import ObjectStore, TrackingServer
from pretrain.checkpoint_reader import committed, facts_of
from shards import lease, storage
from tests.chaos.proxy import Proxy
from tests.drawn_set import write_set
from tests.pretrain.tiny_runs import curve, spool_of
from tests.pretrain_jobs import (
    CONFIG,
    Curve,
    Job,
    Nodes,
    attempts,
    digests,
    drivers,
    newest_step,
    stopped,
    workers,
)
from tests.torchrun import pretrain_on_ranks

STEPS, SAVE_EVERY = 200, 10
OTHER_RANKS = 1e-2
"""Of a loss, at most, between different numbers of ranks: sums are in another order, and training goes on."""
SAME = ("loss/", "optim/", "clp/", "data/order_fingerprint")
WORDS = (
    *(f"run.steps={STEPS}", "run.global_batch=4", "run.log_every=1", f"run.save_every={SAVE_EVERY}"),
    *("run.keep_checkpoints=100", "encoder.image_size=32", "engine.kind=ddp", "cluster.silent_seconds=6"),
)
pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def environment(object_store: ObjectStore, proxy: Proxy) -> dict[str, str]:
    """The store is behind the proxy, which does nothing until it is told."""
    proxy.come_back()
    proxy.clear()
    return {**object_store.environment, "AWS_ENDPOINT_URL": proxy.url}


@pytest.fixture(scope="module")
def place(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the set of all cases is; the environment reaches it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment.items():
            patch.setenv(name, value)
        url = f"{object_store.url}/faults"
        write_set(f"{url}/set", tmp_path_factory.mktemp("tars"), people=8, samples_per_person=3, frames=64)
        yield url


def plain(words: Sequence[str]) -> list[str]:
    """Without what is for clusters alone."""
    return [word for word in words if not word.startswith("cluster.")]


@pytest.fixture(scope="module")
def uri(tracking_server: TrackingServer) -> str:
    return tracking_server.uri


@pytest.fixture(scope="module")
def undisturbed(place: str, tmp_path_factory: pytest.TempPathFactory) -> Curve:
    """Two ranks without Ray."""
    logs = tmp_path_factory.mktemp("undisturbed") / "logs"
    pretrain_on_ranks(
        2, [CONFIG, *plain(WORDS), f"data.url={place}/set", f"run.url={place}/undisturbed"], logs
    )
    return curve(spool_of(logs))


@pytest.fixture(scope="module")
def nodes(
    environment: dict[str, str], place: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    """Three, of which two are used. A worker that hangs is given up after some seconds."""
    short = {"RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "8"}
    with Nodes(tmp_path_factory.mktemp("nodes"), environment | short, 3) as nodes:
        yield nodes


def begin(nodes: Nodes, place: str, uri: str, name: str, *words: str) -> Job:
    given = [*WORDS, f"data.url={place}/set", "cluster.workers=2", *words]
    return nodes.submit(given, f"{place}/{name}", uri)


def begun(nodes: Nodes, place: str, uri: str, name: str, *words: str) -> Job:
    """It has saved once."""
    job = begin(nodes, place, uri, name, *words)
    job.until(lambda: newest_step(job.run_url) >= SAVE_EVERY)
    return job


def recovered(job: Job, before: int) -> float:
    """Seconds until a later attempt has committed more than there was."""
    return job.until(lambda: newest_step(job.run_url) > before and newest_attempt(job.run_url) > 1)


def newest_attempt(run_url: str) -> int:
    names = storage.list_names(storage.join(run_url, "checkpoints"))
    return max((int(name[:4]) for name in names if name.endswith("COMMITTED.json")), default=0)


def ranks(job: Job) -> int:
    return int(facts_of(committed(job.run_url)[-1])["ranks"])


def same_end(job: Job, undisturbed: Curve, place: str, intervals: int = 1) -> None:
    """Every step was made, of the same clips, with the same losses, and ended in the same state.

    Each attempt after the first made again the steps of so many save intervals at most.
    """
    found = job.curve()
    assert sorted(found) == list(range(1, STEPS + 1))
    for step, metrics in undisturbed.items():
        for name in (name for name in metrics if name.startswith(SAME)):
            assert found[step][name] == metrics[name], (step, name)
    assert digests(job.run_url) == digests(f"{place}/undisturbed")
    assert len(job.repeated()) <= (attempts(job.run_url) - 1) * intervals * SAVE_EVERY
    assert storage.exists(storage.join(job.run_url, "encoder", "facscale.json"))


def told(case: str, seconds: float) -> None:
    """For who reads the output (pytest -s); the benchmark compares such times with a bar."""
    sys.stderr.write(f"\n{case}: committed again after {seconds:.1f} s\n")


def test_a_worker_is_killed(nodes, place, undisturbed, uri):
    job = begun(nodes, place, uri, "worker")
    before = newest_step(job.run_url)
    workers()[0].kill()
    told("worker", recovered(job, before))
    job.ended()
    assert attempts(job.run_url) == 2
    same_end(job, undisturbed, place)


def test_a_node_is_killed_and_another_one_takes_its_place(nodes, place, undisturbed, uri):
    job = begun(nodes, place, uri, "node")
    before = newest_step(job.run_url)
    nodes.of_workers()[0].kill()
    told("node", recovered(job, before))
    job.ended()
    nodes.add()
    same_end(job, undisturbed, place)


def test_the_driver_is_killed_and_the_job_submitted_again(nodes, place, undisturbed, uri):
    job = begun(nodes, place, uri, "driver")
    [driver] = drivers()
    driver.kill()
    job.failed()
    before = newest_step(job.run_url)
    again = begin(nodes, place, uri, "driver")
    told("driver", recovered(again, before))
    again.ended()
    same_end(again, undisturbed, place)


def test_the_job_submitted_twice_is_done_once(nodes, place, undisturbed, uri):
    job, second = (begin(nodes, place, uri, "twice") for _ in range(2))
    outputs = [job.ended(), second.ended()]
    [followed] = [output for output in outputs if "leads" in output]
    assert f"/{STEPS}  total" in followed
    assert attempts(job.run_url) == 1
    third = begin(nodes, place, uri, "twice")
    assert "is finished" in third.ended()
    other = begin(nodes, place, uri, "twice", "run.steps=61")
    assert "Job entrypoint command failed with exit code 2" in other.failed()
    assert attempts(job.run_url) == 1
    same_end(job, undisturbed, place)


def test_a_driver_that_was_cut_off_finds_another_one_in_its_place(nodes, place, undisturbed, uri):
    """The other one gets the workers' places when they find at a commit that they were replaced."""
    both = [begin(nodes, place, uri, "paused", "cluster.silent_seconds=3") for _ in range(2)]
    both[0].until(lambda: newest_step(both[0].run_url) >= SAVE_EVERY and len(drivers()) == 2)
    holder = lease.read(both[0].run_url, lease.newest(both[0].run_url))
    assert holder is not None
    with stopped(psutil.Process(holder.pid)):
        both[0].until(lambda: lease.newest(both[0].run_url) == 2)
        both[0].until(lambda: attempts(both[0].run_url) >= 2)
    outputs = [job.process.communicate(timeout=400)[0] for job in both]
    assert sorted(job.process.returncode for job in both) == [0, 1]
    [replaced] = [output for output in outputs if "Job entrypoint command failed with exit code 3" in output]
    assert "took over" in replaced
    # What was replaced is told at the save after the one that was refused.
    same_end(both[0], undisturbed, place, intervals=2)


def test_a_worker_that_hangs_is_replaced(nodes, place, undisturbed, uri):
    job = begun(nodes, place, uri, "hangs")
    before = newest_step(job.run_url)
    with stopped(workers()[0]):
        seconds = recovered(job, before)
    sys.stderr.write(f"\nhanging worker: committed again after {seconds:.1f} s\n")
    job.ended()
    same_end(job, undisturbed, place)


def test_store_and_tracking_are_away_for_a_while(nodes, place, undisturbed, uri, proxy):
    with Proxy(uri) as tracking:
        job = begun(nodes, place, tracking.url, "away")
        tracking.vanish(20)
        proxy.vanish(15)
        time.sleep(16)
        job.ended()
    assert attempts(job.run_url) == 1
    same_end(job, undisturbed, place)


def test_without_tracking_from_start_to_end_all_metrics_are_there_later(nodes, place, undisturbed, uri):
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    job = begin(nodes, place, nobody, "untracked")
    assert "Metrics wait in the checkpoints" in job.ended()
    again = begin(nodes, place, uri, "untracked")
    again.ended()
    assert attempts(job.run_url) == 1
    same_end(again, undisturbed, place)
    assert again.repeated() == []


def test_a_node_is_lost_and_comes_back(nodes, place, uri, tmp_path):
    """Smaller without the node, larger with it; nothing is made again for the larger one."""
    steps, save_every = 800, 20
    longer = (f"run.steps={steps}", f"run.save_every={save_every}")
    job = begun(nodes, place, uri, "elastic", *longer, "cluster.workers=1", "cluster.max_workers=4")
    assert ranks(job) == 2  # there are three nodes, and three workers do not divide the batch
    before = newest_step(job.run_url)
    for node in nodes.of_workers():
        node.kill()
    told("smaller", recovered(job, before))
    assert ranks(job) == 1
    nodes.add()
    seconds = job.until(lambda: ranks(job) == 2)
    sys.stderr.write(f"\nlarger: committed by two ranks {seconds:.1f} s after the node began\n")
    job.ended()
    nodes.add()
    made = sorted(job.curve())
    assert made == list(range(1, steps + 1))
    assert len(job.repeated()) <= save_every  # only for the nodes that were lost
    logs = tmp_path / "logs"
    words = [CONFIG, *plain(WORDS), *longer, f"data.url={place}/set", f"run.url={place}/elastic-straight"]
    pretrain_on_ranks(1, words, logs)
    straight, found = curve(spool_of(logs)), job.curve()
    for step in made:
        assert found[step]["data/order_fingerprint"] == straight[step]["data/order_fingerprint"], step
    furthest = max(abs(found[step]["loss/total"] / straight[step]["loss/total"] - 1) for step in made)
    sys.stderr.write(f"\nloss of one, two and one rank: {furthest:.1e} from one rank's at most\n")
    assert furthest < OTHER_RANKS


def test_the_whole_cluster_dies_and_a_new_one_goes_on(object_store, proxy, place, undisturbed, uri, tmp_path):
    environment = {**object_store.environment, "AWS_ENDPOINT_URL": proxy.url}
    with Nodes(tmp_path / "first", environment, 2) as nodes:
        job = begun(nodes, place, uri, "head")
        nodes.kill_all()
        job.failed()
        before = newest_step(job.run_url)
    with Nodes(tmp_path / "second", environment, 2) as nodes:
        again = begin(nodes, place, uri, "head")
        told("head", recovered(again, before))
        again.ended()
    same_end(again, undisturbed, place)
