"""Pieces of a long table, each a process of its own, as many at a time as there are cores."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

ONE_THREAD = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def run_module(module: str, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """`python -m module words`, quietly.

    Raises:
        RuntimeError: it failed; the message ends with what it said.
    """
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr[-2000:]
        raise RuntimeError(f"{module} {' '.join(words)} ended with {done.returncode}: {said}")


def run_units(module: str, units: Mapping[str, Sequence[str]]) -> None:
    """Run `python -m module` with the words of each unit, by name, and tell of each that is done.

    Raises:
        RuntimeError: one failed.
    """

    def one(name: str) -> str:
        run_module(module, units[name], ONE_THREAD)
        return name

    # A thread per core: two processes at a time are faster than one on two threads.
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        for number, name in enumerate(pool.map(one, units), start=1):
            sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name} done, {number} of {len(units)}\n")
