"""Limits that are really reached: by C code that never returns, and by memory that is not there."""

import ctypes
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from shards.pack.limits import StallGuard, memory_limit, took_note

CONTEXT = multiprocessing.get_context("spawn")


def hang(note: Path, seconds: float) -> None:
    """Like a codec in an endless loop: a call into C that keeps the interpreter to itself."""
    with StallGuard(note, seconds):
        ctypes.PyDLL(None).sleep(30)


def work(note: Path, seconds: float) -> None:
    """Slow in all, and never silent for long."""
    with StallGuard(note, seconds) as guard:
        for _ in range(20):
            time.sleep(seconds / 5)
            guard.alive()


def test_what_never_returns_is_ended_with_a_note(tmp_path: Path) -> None:
    note = tmp_path / "note"
    process = CONTEXT.Process(target=hang, args=(note, 0.5))
    process.start()
    process.join(20)
    assert process.exitcode == 1
    assert "in hang" in note.read_text()
    assert took_note(note)
    assert not took_note(note)


def test_long_work_that_gives_signs_of_life_is_not_ended(tmp_path: Path) -> None:
    note = tmp_path / "note"
    process = CONTEXT.Process(target=work, args=(note, 1.0))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert not note.exists()


def test_an_allocation_beyond_the_limit_fails_and_the_limit_ends() -> None:
    with memory_limit(64 * 2**20):
        small = np.ones(2**20, np.uint8)
        with pytest.raises(MemoryError):
            np.ones(512 * 2**20, np.uint8)
    assert small.sum() == 2**20
    assert np.ones(512 * 2**20, np.uint8).nbytes == 2**29
