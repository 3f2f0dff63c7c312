"""Pretraining that is killed or asked to end, at any moment, ends where one left alone does."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.recipe import PretrainConfig
from shards import storage
from tests.chaos.conftest import FaultyStore
from tests.chaos.faults import Faults
from tests.pretrain.tiny_runs import Curve, config_of, curve, easy_set, spool_of, start

WAIT_SECONDS = 120.0
STEPS, SAVE_EVERY, KEPT = 40, 5, 100
LATENCY_MS = 40.0
"""Of each request to the store: a save then takes a good part of a second."""


@pytest.fixture(scope="module")
def set_url(tmp_path_factory) -> str:
    return easy_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def undisturbed(set_url, tmp_path_factory) -> tuple[PretrainConfig, Curve]:
    folder = tmp_path_factory.mktemp("undisturbed")
    config = run_of(set_url, str(folder / "run"))
    return config, ended(start(config, folder / "logs"), folder / "logs")


def run_of(set_url: str, run_url: str) -> PretrainConfig:
    config = config_of(set_url, run_url, steps=STEPS, save_every=SAVE_EVERY, keep_checkpoints=KEPT)
    # Layers that draw numbers must draw the same ones again.
    encoder = replace(config.encoder, settings={**config.encoder.settings, "drop_path_rate": 0.3})
    return replace(config, encoder=encoder, engine=replace(config.engine, kind="ddp"))


def ended(process: subprocess.Popen[str], logs: Path, code: int = 0) -> Curve:
    """Metrics of a run that ends by itself."""
    said = process.communicate(timeout=WAIT_SECONDS)[1]
    assert process.returncode == code, said
    return curve(spool_of(logs))


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> bool:
    """Wait for `condition`; False where the process ended before."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.002)
    return True


def steps_done(logs: Path) -> int:
    spools = list(logs.glob("facscale-metrics-*/metrics.jsonl"))
    return spools[0].read_text().count("\n") if spools else 0


def saving(run_url: str) -> bool:
    """Whether parts of a checkpoint are there that is not committed."""
    names = storage.list_names(storage.join(run_url, "checkpoints"))
    folders = {name.partition("/")[0] for name in names}
    return any(f"{folder}/COMMITTED.json" not in names for folder in folders)


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def same_end(run_url: str, parts: list[Curve], undisturbed: tuple[PretrainConfig, Curve]) -> None:
    """Every step was made, with the same bits each time, and the same state came out."""
    config, whole = undisturbed
    timeless = ("loss/", "optim/", "clp/", "data/order_fingerprint")
    for part in parts:
        for step, metrics in part.items():
            for name in (name for name in metrics if name.startswith(timeless)):
                assert metrics[name] == whole[step][name], (step, name)
    assert set().union(*parts) == set(whole)
    ours, theirs = (CheckpointReader(committed(url)[-1]) for url in (run_url, config.run.url))
    assert ours.digests() == theirs.digests()


def kills(
    count: int, seed: int, set_url: str, run_url: str, folder: Path, undisturbed: tuple[PretrainConfig, Curve]
) -> int:
    """Kill runs in turn at a step and in a save, each drawn; how many were killed in a save."""
    drawn = random.Random(seed)
    config = run_of(set_url, run_url)
    parts, in_a_save, number = [], 0, 0
    while number < count:
        logs = folder / f"{number}"
        process = start(config, logs)
        last = drawn.randrange(1, 15)
        alive = until(process, lambda logs=logs, last=last: steps_done(logs) >= last)
        if alive and number % 2:
            alive = until(process, lambda url=config.run.url: saving(url))
            in_a_save += alive
        if not alive:
            # It was through before its moment came: the next one is killed anew.
            parts.append(ended(process, logs))
            same_end(config.run.url, parts, undisturbed)
            config, parts = run_of(set_url, f"{run_url}-{number}"), []
            continue
        killed(process)
        parts.append(curve(spool_of(logs)))
        number += 1
    parts.append(ended(start(config, folder / "last"), folder / "last"))
    same_end(config.run.url, parts, undisturbed)
    return in_a_save


def test_killed_at_a_step_and_during_a_save(set_url, undisturbed, faulty_store: FaultyStore, tmp_path):
    faulty_store.proxy.set(Faults(latency_ms=LATENCY_MS))
    assert kills(2, 2026, set_url, f"{faulty_store.url}/run", tmp_path, undisturbed) == 1


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_twenty_kills(set_url, undisturbed, faulty_store: FaultyStore, tmp_path):
    faulty_store.proxy.set(Faults(latency_ms=LATENCY_MS))
    assert kills(20, 7, set_url, f"{faulty_store.url}/run", tmp_path, undisturbed) == 10


@pytest.mark.full
def test_one_that_was_stopped_wakes_after_another_took_over(set_url, undisturbed, faulty_store, tmp_path):
    config = run_of(set_url, f"{faulty_store.url}/run")
    first = start(config, tmp_path / "first")
    assert until(first, lambda: steps_done(tmp_path / "first") >= 7)
    first.send_signal(signal.SIGSTOP)
    second = ended(start(config, tmp_path / "second"), tmp_path / "second")
    first.send_signal(signal.SIGCONT)
    said = first.communicate(timeout=WAIT_SECONDS)[1]
    assert first.returncode == 3
    assert "attempt 1 at" in said
    assert "was replaced by attempt 2; this process must stop" in said
    same_end(config.run.url, [curve(spool_of(tmp_path / "first")), second], undisturbed)


def test_one_of_two_ranks_is_asked_and_both_end(set_url, tmp_path):
    config = run_of(set_url, str(tmp_path / "run"))
    config = replace(config, run=replace(config.run, save_every=1000))
    logs = tmp_path / "logs"
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pretrain")
    process = start(config, logs, launcher)
    assert until(process, lambda: steps_done(logs) >= 7)
    ranks = [p for p in psutil.Process(process.pid).children() if "pretrain" in p.cmdline()]
    assert len(ranks) == 2
    ranks[1].terminate()
    said = process.communicate(timeout=WAIT_SECONDS)[1]
    assert process.returncode == 0, said
    [saved] = committed(config.run.url)
    assert CheckpointReader(saved).facts["ranks"] == 2
    assert said.count("asked to end: saved after step") == 1


def test_asked_to_end_it_saves_and_goes_on_from_there(set_url, undisturbed, tmp_path):
    config = run_of(set_url, str(tmp_path / "run"))
    config = replace(config, run=replace(config.run, save_every=1000))
    logs = tmp_path / "first"
    process = start(config, logs)
    assert until(process, lambda: steps_done(logs) >= 7)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=WAIT_SECONDS)[1]
    assert process.returncode == 0, said
    [saved] = committed(config.run.url)
    step = int(saved.rpartition("-")[2])
    assert 7 <= step < STEPS
    assert f"asked to end: saved after step {step} of {STEPS}; start again to go on" in said
    first = curve(spool_of(logs))
    assert max(first) == step
    second = ended(start(config, tmp_path / "second"), tmp_path / "second")
    assert min(second) == step + 1
    same_end(config.run.url, [first, second], undisturbed)
