"""The progress line: where the run stands, its rate and the time left."""

import re

import pytest

from pretrain import progress
from pretrain.progress import ProgressLine

BUSY = {"data/wait_share": 0.01, "data/plan_busy": 0.0, "data/fetch_busy": 0.1, "data/decode_busy": 0.2}
VERDICT = "compute-bound (waits 1 %; plan 0 %, fetch 10 %, decode 20 % busy)"


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_says_step_losses_rate_and_time_left(clock, capsys):
    line = ProgressLine(400, 0, clips_per_step=32, enabled=True)
    clock[0] += 40.0
    line.show(100, {"loss/total": 1.25, "loss/temporal": 0.5, "optim/learning_rate": 0.1, **BUSY})
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"step 100/400  total 1.250  temporal 0.500  80 clips/s  2:00 left  {VERDICT}\n"


def test_a_resumed_run_counts_its_own_steps_only(clock, capsys):
    line = ProgressLine(400, 300, clips_per_step=10, enabled=True)
    clock[0] += 50.0
    line.show(350, BUSY)
    assert re.search(r"step 350/400 .* 10 clips/s  0:50 left", capsys.readouterr().err)


def test_a_probe_has_a_line_of_its_own(clock, capsys):
    ProgressLine(400, 0, 32, enabled=True).show_probe(100, {"probe/au_r": 0.4125, "probe/identity": 0.03})
    assert capsys.readouterr().err == "step 100/400  probe: au_r 0.412  identity 0.030\n"


def test_other_ranks_are_silent(clock, capsys):
    line = ProgressLine(4, 0, 1, enabled=False)
    line.show(1, {"loss/total": 1.0})
    line.show_probe(1, {"probe/au_r": 0.5})
    assert capsys.readouterr() == ("", "")
