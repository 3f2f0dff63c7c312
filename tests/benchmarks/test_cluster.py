"""The table on clusters: its arithmetic, and the whole command at a tiny size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pretrain.config import ConfigError
from tests.benchmarks.cluster.__main__ import main
from tests.benchmarks.cluster.kills import summary
from tests.benchmarks.cluster.report import text
from tests.benchmarks.cluster.sides import Ran, furthest

FACTS = {"date": "2026-01-01", "command": "c", "commit": "abc", "host": "h"}
SIZE = (
    *("every_seconds=4", "minutes=0.05", "kill_save_every=5", "probe_steps=20", "ranks=2", "rank_steps=10"),
    *("steps=20", "skip=10", "words=[encoder.image_size=32,run.global_batch=4,engine.kind=ddp]"),
)


def ran(step_ms: int, steps: int = 11, loss: float = 1.0) -> Ran:
    numbers = range(1, steps + 1)
    return Ran(
        loss=dict.fromkeys(numbers, loss),
        order={step: float(step) for step in numbers},
        time_ms={step: step * step_ms for step in numbers},
    )


def test_goodput_is_of_the_time_without_kills() -> None:
    recovery = {"detected": 1.0, "group restarted": 5.0, "restored": 8.0, "first step": 10.0}
    slow = ran(1250, loss=1.1)
    slow.order[3] = 4.0
    found = summary(ran(1000), slow, [recovery, recovery], every_seconds=100, save_every=4)
    assert found["goodput"] == pytest.approx(0.8)
    assert found["bar"] == pytest.approx(1 - (10 + 2) / 100 - 0.03)
    assert found["missing_or_other_steps"] == [3]
    assert found["furthest_loss"] == pytest.approx(0.1)
    told = text(FACTS, {}, {"every_seconds": 100.0, "kill_save_every": 4}, {"kills": {**found, "steps": 11}})
    assert "| restored | 3.0 | 8.0 |" in told
    assert "recovery within 40 s: 10.0 s. Goodput at least 0.850: 0.800 (missed)" in told
    assert "undisturbed run's: 1 (missed)" in told
    with pytest.raises(ValueError, match="no worker was killed"):
        summary(ran(1), ran(1), [], 100, 4)


def test_a_step_is_timed_after_the_first_ones() -> None:
    found = ran(10)
    found.time_ms[1] = -5000
    assert found.step_ms(skip=2) == 10
    with pytest.raises(ValueError, match="11 steps were logged and 9"):
        furthest(ran(1), ran(1, steps=9))


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted 0 < skip < steps"):
        main(["--work", str(tmp_path), "--size", "skip=300"])


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_command_makes_a_dated_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.cluster", "--work", str(tmp_path / "work")]
    command += ["--out", str(tmp_path / "out"), "--rounds", "1", "--size", *SIZE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [result] = (tmp_path / "out").glob("cluster-*.json")
    content = json.loads(result.read_text())
    assert content["kills"]["kills"] >= 1
    assert content["kills"]["missing_or_other_steps"] == content["ranks"]["other_steps"] == []
    assert content["ranks"]["furthest_loss"] < 1e-3
    [overhead], [tracking] = content["overhead"], content["tracking"]
    assert overhead["ray_step_ms"] > 0
    assert overhead["furthest_loss"] == 0
    assert {"rank", "driver"} <= set(overhead["ray_pss_mb"])
    assert tracking["steps_later"] == 20
    assert str(tmp_path) not in result.read_text()
