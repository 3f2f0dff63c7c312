"""Stages: done ones are not done again, a failing program is shown, the machine is checked first."""

import os
import sys
import time

import psutil
import pytest

from infra.stages import MemoryWatch, StageError, Stages, command, need, open_folder, summed_pss

EXPECTED = {"first": 60.0, "second": 120.0}


def test_a_second_start_goes_on_after_what_is_done(tmp_path, capsys):
    calls = []
    stages = Stages(tmp_path, EXPECTED)
    stages.run("first", "things", lambda: calls.append("first") or 3.0)
    again = Stages(tmp_path, EXPECTED)
    again.run("first", "things", lambda: calls.append("first again") or 3.0)
    again.run("second", "things", lambda: calls.append("second") or 4.0)
    assert calls == ["first", "second"]
    assert [(done.stage, done.count) for done in again.done] == [("first", 3.0), ("second", 4.0)]
    output = capsys.readouterr().err
    assert "[1/2] first (about 3 min left in all)" in output
    assert "[1/2] first: done before" in output


def test_a_forgotten_stage_is_done_again(tmp_path):
    stages = Stages(tmp_path, EXPECTED)
    stages.run("first", "things", lambda: 3.0)
    stages.run("second", "things", lambda: 4.0)
    stages.forget("second")
    assert [done.stage for done in Stages(tmp_path, EXPECTED).done] == ["first"]


def test_each_stage_has_its_own_peak_of_memory(tmp_path):
    with MemoryWatch() as watch:
        stages = Stages(tmp_path, EXPECTED, watch)
        stages.run("first", "things", lambda: 3.0)
        before = watch.peak_since_begin
        watch.peak_bytes = watch.peak_since_begin = 10**13
        stages.run("second", "things", lambda: 4.0)
    first, second = Stages(tmp_path, EXPECTED).done
    assert first.peak_bytes == before > 0
    assert 0 < second.peak_bytes < 10**12


def test_a_failed_stage_is_not_done(tmp_path):
    stages = Stages(tmp_path, EXPECTED)
    with pytest.raises(ZeroDivisionError):
        stages.run("first", "things", lambda: 1 / 0)
    assert Stages(tmp_path, EXPECTED).done == []


def test_a_failing_program_is_named_with_the_end_of_its_output(tmp_path):
    words = [sys.executable, "-c", "import os; print(os.environ['WHAT']); raise SystemExit(3)"]
    with pytest.raises(StageError, match=r"failed \(exit 3\).*\n.*\nbad news"):
        command(words, {"WHAT": "bad news"}, tmp_path / "logs" / "x.log")


def test_an_interrupted_program_ends_with_its_children(tmp_path, monkeypatch):
    marker = tmp_path / "pid"
    script = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(marker)!r}, "w").write(str(child.pid))
print("up", flush=True)
time.sleep(60)
"""

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stderr, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        command([sys.executable, "-c", script], {}, tmp_path / "x.log")
    deadline = time.monotonic() + 10
    child = int(marker.read_text())
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_too_small_a_machine_is_refused(tmp_path):
    with pytest.raises(StageError, match="GB free, wanted 1000000; make room"):
        need(tmp_path, 10**15, 0)
    with pytest.raises(StageError, match="of memory free, wanted 1000000; end other programs"):
        need(tmp_path, 0, 10**15)


def test_memory_counts_children_and_shared_pages_once():
    alone = summed_pss()
    rss = psutil.Process(os.getpid()).memory_info().rss
    assert 0 < alone <= rss + sum(p.memory_info().rss for p in psutil.Process().children(recursive=True))
    with MemoryWatch() as watch:
        child = psutil.Popen([sys.executable, "-c", "x = bytearray(200_000_000); import time; time.sleep(8)"])
        child.wait()
    assert watch.peak_bytes > alone + 150_000_000


def test_a_folder_keeps_the_settings_it_was_made_with(tmp_path):
    folder = tmp_path / "run"
    open_folder(folder, fresh=False, settings={"people": 4})
    (folder / "kept").touch()
    open_folder(folder, fresh=False, settings={"people": 4})
    assert (folder / "kept").exists()
    with pytest.raises(StageError, match="holds a run with other settings; give --fresh"):
        open_folder(folder, fresh=False, settings={"people": 5})
    open_folder(folder, fresh=True, settings={"people": 5})
    assert not (folder / "kept").exists()
