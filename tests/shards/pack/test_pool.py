import os
from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.pack.pool import Crash, Task, TaskPool


def square(number: int, spool: Path) -> int:
    return number * number


def die(number: int, spool: Path) -> int:
    os.kill(os.getpid(), 9)
    return number


def refuse(number: int, spool: Path) -> int:
    raise ShardError(f"no {number}")


def test_a_crash_costs_its_own_task(tmp_path: Path) -> None:
    results: dict[int, object] = {}
    with TaskPool(2, tmp_path) as pool:
        for number in range(8):
            pool.submit(Task(die if number == 3 else square, number))
        while len(pool):
            results.update({task.job: result for task, result in pool.collect()})
    crash = results.pop(3)
    assert isinstance(crash, Crash)
    assert results == {number: number * number for number in range(8) if number != 3}


def test_an_error_comes_out(tmp_path: Path) -> None:
    with TaskPool(1, tmp_path) as pool:
        pool.submit(Task(refuse, 1))
        with pytest.raises(ShardError, match="no 1"):
            pool.collect()
