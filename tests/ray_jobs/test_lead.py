"""One driver of a job: a second one follows the living, takes over from the dead, and ends as it is true."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pretrain.config import ConfigError
from pretrain.errors import FencedError
from ray_jobs import lead as module
from ray_jobs.lead import FENCED, lead
from shards import lease, storage
from shards.lease import Holder, Lease

SILENT = 3.0
"""Seconds; a busy machine may hold a beat up for one."""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)


def nothing(*_: Lease) -> None:
    pass


def status_left(url: str) -> int | None:
    holder = lease.read(url, lease.newest(url))
    assert holder is not None
    return holder.exit_status


@pytest.mark.parametrize("fails", [False, True])
def test_the_second_follows_and_ends_as_the_first(any_url: str, fails: bool) -> None:
    begun, may_end, done, looks = threading.Event(), threading.Event(), [], []

    def work(held: Lease) -> None:
        begun.set()
        may_end.wait(30)
        done.append(held.number)
        if fails:
            raise RuntimeError("a bug")

    def watch() -> None:
        looks.append(time.monotonic())
        if looks[-1] - looks[0] > 1.5 * SILENT:  # longer than a driver may be silent: it beats meanwhile
            may_end.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lead, any_url, SILENT, work, nothing)
        begun.wait(30)
        second = pool.submit(lead, any_url, SILENT, work, watch)
        assert second.result(60) == (1 if fails else 0)
        if fails:
            with pytest.raises(RuntimeError, match="a bug"):
                first.result()
        else:
            assert first.result() == 0
    assert done == [1]
    assert looks[-1] - looks[0] > SILENT


def begin_and_die(url: str) -> None:
    lead(url, 3600, lambda _: os._exit(0), nothing)


def test_a_driver_that_died_here_is_followed_at_once(any_url: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=begin_and_die, args=(any_url,))
    process.start()
    process.join(60)
    seen: list[int] = []
    assert lead(any_url, SILENT, lambda held: seen.append(held.number), nothing) == 0
    assert seen == [2]


def test_a_silent_driver_elsewhere_loses_the_job_when_its_time_is_over(any_url: str) -> None:
    elsewhere = Holder("elsewhere", "another kernel", 1, 1, SILENT)
    storage.write_bytes(lease.place(any_url, 4), lease.content(elsewhere))
    began, seen = time.monotonic(), []
    assert lead(any_url, SILENT, lambda held: seen.append(held.number), nothing) == 0
    assert time.monotonic() - began > SILENT
    assert seen == [5]


@pytest.mark.parametrize(
    ("error", "left"),
    [(ConfigError("x"), 2), (RuntimeError("x"), 1), (SystemExit(15), 15), (KeyboardInterrupt(), 1)],
)
def test_how_it_ended_is_left_behind(error: BaseException, left: int, tmp_path) -> None:
    def work(_: Lease) -> None:
        raise error

    with pytest.raises(type(error)):
        lead(str(tmp_path), SILENT, work, nothing)
    assert status_left(str(tmp_path)) == left
    assert lead(str(tmp_path), SILENT, nothing, nothing) == 0  # a job that has ended is begun anew


def test_who_was_replaced_says_so_and_leaves_nothing(tmp_path, capsys) -> None:
    def work(held: Lease) -> None:
        lease.take(held.url, held.number, Holder.this_process(SILENT))
        raise FencedError("another driver took over")

    assert lead(str(tmp_path), SILENT, work, nothing) == FENCED
    assert status_left(str(tmp_path)) is None
    assert "another driver took over" in capsys.readouterr().err
