"""Worker processes that survive a crash: a codec that dies costs its own task only."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shards.pack.spool import spool_folder


@dataclass(frozen=True)
class Task:
    """A call `function(job, spool)` of a module-level function in a worker process."""

    function: Callable[[Any, Path], Any]
    job: Any


class Crash:
    """In place of a result: the process died while it worked on this task alone."""


class TaskPool:
    """Processes of this machine.

    They are spawned: neither PyAV nor the S3 client survives a fork.
    """

    def __init__(self, workers: int, spool: Path) -> None:
        self.workers = workers
        self._spool = spool
        self._pool = _processes(workers)
        self._running: dict[Future[Any], Task] = {}
        self._suspects: list[Task] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        """Tasks whose results were not collected yet."""
        return len(self._running) + len(self._suspects)

    def submit(self, task: Task) -> None:
        try:
            self._running[self._pool.submit(task.function, task.job, self._spool)] = task
        except BrokenProcessPool:
            self._suspects.append(task)

    def collect(self) -> list[tuple[Task, Any]]:
        """Wait for at least one task; results or `Crash` of all that have ended.

        Raises:
            Exception: what a task raised.
        """
        results = []
        done, _ = wait(self._running, return_when=FIRST_COMPLETED) if self._running else (set(), set())
        for future in done:
            task = self._running.pop(future)
            if isinstance(future.exception(), BrokenProcessPool):
                self._suspects.append(task)
            else:
                results.append((task, future.result()))
        if self._suspects:
            # Which task killed its process is not told, so each that was in the pool is done again alone.
            suspects = [*self._suspects, *self._running.values()]
            self._suspects, self._running = [], {}
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = _processes(self.workers)
            results += [(task, self._alone(task)) for task in suspects]
        return results

    def _alone(self, task: Task) -> Any:
        with _processes(1) as pool:
            try:
                return pool.submit(task.function, task.job, self._spool).result()
            except BrokenProcessPool:
                return Crash()


@contextmanager
def local_pool(workers: int, spool_parent: Path | None) -> Iterator[TaskPool]:
    """`workers` processes (0: one for each core that this process may use) and a spool of their own."""
    with (
        spool_folder(spool_parent) as spool,
        TaskPool(workers or len(os.sched_getaffinity(0)), spool) as pool,
    ):
        yield pool


def _processes(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A worker waits for ever on a queue whose other end it holds itself, so it watches its parent."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
