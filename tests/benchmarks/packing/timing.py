"""CPU and wall time of a command, with all processes that it starts and waits for."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time (user and system) and of the clock."""

    cpu_seconds: float
    wall_seconds: float

    def __add__(self, other: Self) -> "Cost":
        return Cost(self.cpu_seconds + other.cpu_seconds, self.wall_seconds + other.wall_seconds)

    def __sub__(self, other: Self) -> "Cost":
        return Cost(self.cpu_seconds - other.cpu_seconds, self.wall_seconds - other.wall_seconds)


def timed(words: Sequence[str]) -> tuple[Cost, str]:
    """Run a program to its end; what it took, and what it printed.

    Raises:
        RuntimeError: it failed; its errors were shown.
    """
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as stream:
        output = stream.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_seconds), output


def python(module: str, *words: object) -> list[str]:
    """The words that run a module by this interpreter."""
    return [sys.executable, "-m", module, *map(str, words)]
