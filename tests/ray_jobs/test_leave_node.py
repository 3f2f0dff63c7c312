import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pretrain.config import ConfigError
from ray_jobs import leave_node

ROOT = Path(__file__).parents[2]


def test_a_node_on_which_nothing_trains_is_left_at_once(monkeypatch, capsys):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # asked, it would fail
    monkeypatch.setattr(leave_node, "TRAINS", "no process has this name")
    leave_node.main(["seconds=60"])
    assert capsys.readouterr().out == "nothing trains here\n"


def test_what_trains_is_found_by_its_name():
    words = [sys.executable, "-c", "import time; time.sleep(60)", "ray::_RayTrainWorker__execute"]
    with subprocess.Popen(words) as process:
        deadline = time.monotonic() + 10
        while process.pid not in [found.pid for found in leave_node.training(os.getpid())]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert process.pid not in [found.pid for found in leave_node.training(os.getppid())]
        process.kill()
    assert process.pid not in [found.pid for found in leave_node.training(os.getpid())]


@pytest.mark.parametrize(
    ("words", "message"), [([], "no value for seconds"), (["seconds=0"], "at least 1, found 0")]
)
def test_the_notice_must_be_given(words, message):
    with pytest.raises(ConfigError, match=message):
        leave_node.main(words)
