"""The table on saving: its arithmetic, and the whole command at a tiny size."""

import json
import subprocess
import sys
import threading
import time

import pytest

from pretrain.config import ConfigError
from tests.benchmarks.checkpoint.__main__ import main
from tests.benchmarks.checkpoint.loop import UPLOAD, uploads
from tests.benchmarks.checkpoint.report import STALL, numbers_of, table, text
from tests.benchmarks.memory import peak_bytes, peak_from_here

FACTS = {"date": "2026-01-01", "command": "c", "commit": "abc", "host": "h"}
GIVEN = {"every": 2, "latency_ms": 30.0}
TINY = (
    *("skip=1", "quiet=2", "saves=2", "every=3"),
    "words=[encoder.image_size=16,encoder.model_type=resnet,clp.num_frames=4,clp.extra_frames=1,"
    "run.global_batch=2,'encoder.settings={embedding_size: 8, hidden_sizes: [8], depths: [1]}']",
)


def result(slow: float = 1.0) -> dict[str, object]:
    """Steps of 0.5 s, 0.8 s beside uploads; a stall of 0.1 s and one of 0.3."""
    clocks = [(0.5, 0.4, False), (0.8, 0.9, True), (0.5, 0.4, False), (0.8, 0.7, True), (9.0, 0.4, False)]
    names = ("wall_seconds", "cpu_seconds", "upload")
    return {
        "million_parameters": 10.0,
        "checkpoint_bytes": 100_000_000,
        "steps": [dict(zip(names, (slow * wall, cpu, busy), strict=True)) for wall, cpu, busy in clocks],
        "saves": [
            {"stall_seconds": stall, "waited_seconds": waited, "commit_seconds": commit}
            for stall, waited, commit in ((0.1, 0.0, 2.0), (0.3, 0.2, 3.0))
        ],
        "quiet_peak_bytes": 30_000_000,
        "saving_peak_bytes": 150_000_000,
        "restore_seconds": 0.5,
        "server_cpu_seconds": 3.0,
    }


def test_numbers_are_of_steps_without_an_upload():
    numbers = numbers_of(result())
    assert numbers["step, s"] == 0.5
    assert numbers["stall / step, median save"] == pytest.approx(0.4)
    assert numbers[STALL] == pytest.approx(0.6)
    assert numbers["of it waiting for the save before, s"] == pytest.approx(0.1)
    assert numbers["step beside an upload / step, wall"] == pytest.approx(1.6)
    assert numbers["step beside an upload / step, CPU of the process"] == pytest.approx(2.0)
    assert numbers["from save to commit, s"] == 2.5
    assert numbers["saved, MB/s"] == pytest.approx(40.0)
    assert numbers["copies of the state while saving"] == pytest.approx(1.2)
    assert numbers["the store's CPU for a save, s"] == 1.5
    assert numbers["restored, MB/s"] == pytest.approx(200.0)


def test_the_bar_is_of_the_worst_save_of_the_worst_round():
    met = text(FACTS, {"torch": "2"}, GIVEN, [result(), result(2.0)])
    assert "Found: 0.60 of a step in the worst round.\n" in met
    assert "| step, s | 0.75 | 0.5 to 1 |" in met
    missed = text(FACTS, {"torch": "2"}, GIVEN, [result(), result(0.25)])
    assert "Found: 2.40 of a step in the worst round: missed.\n" in missed
    assert table([result(), result(0.25)])[STALL] == [0.6, 2.4]


@pytest.mark.parametrize("upload", [True, False])
def test_steps_of_one_kind_alone_say_nothing(upload):
    one = result()
    steps = one["steps"]
    assert isinstance(steps, list)
    for step in steps:
        step["upload"] = upload
    with pytest.raises(ValueError, match="wanted both; raise --size quiet or every"):
        numbers_of(one)


def test_the_thread_of_a_save_is_seen_while_it_runs():
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name=UPLOAD)
    assert uploads() == []
    thread.start()
    assert uploads() == [thread]
    gate.set()
    thread.join()
    assert uploads() == []


def test_the_peak_is_of_what_came_after():
    def held() -> int:
        return len(bytearray(80_000_000))

    held()
    before = peak_from_here()
    assert peak_bytes() - before < 40_000_000
    held()
    time.sleep(0)
    assert peak_bytes() - before > 60_000_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rounds", "0"), "--rounds: found 0, wanted at least 1"),
        (("--size", "saves=0"), "wanted quiet, saves, every >= 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, message, tmp_path):
    with pytest.raises((ValueError, ConfigError), match=message):
        main(["--work", str(tmp_path), *words])


@pytest.mark.full
def test_the_command_makes_a_dated_table(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.checkpoint", "--work", str(tmp_path / "work")),
            *("--out", str(tmp_path / "out"), "--rounds", "1", "--size", *TINY),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [path] = (tmp_path / "out").glob("checkpoint-*.json")
    content = json.loads(path.read_text())
    [one] = content["rounds"]
    assert len(one["steps"]) == 2 + 2 * 3
    assert len(one["saves"]) == 2
    for save in one["saves"]:
        # Several requests of 30 ms each are in it.
        assert save["commit_seconds"] > save["stall_seconds"] + 0.15
        assert save["stall_seconds"] >= save["waited_seconds"] >= 0
    assert one["checkpoint_bytes"] > 3 * 4 * one["million_parameters"] * 1e6
    assert content["numbers"]["restore, s"][0] > 0.03
    assert str(tmp_path) not in path.read_text()
