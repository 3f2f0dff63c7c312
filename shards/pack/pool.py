"""Worker processes that survive a crash: a codec that dies costs its own task only."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Task:
    """A call of a module-level function in a worker process."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Crash:
    """In place of a result: the process died while it worked on this task alone."""


class TaskPool:
    """Runs tasks in `workers` processes and gives their results as they come.

    Processes are spawned: neither PyAV nor the S3 client survives a fork.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
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
        return len(self._running) + len(self._suspects)

    def submit(self, task: Task) -> None:
        try:
            self._running[self._pool.submit(task.function, *task.arguments)] = task
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
            self._pool = _processes(self._workers)
            results += [(task, _alone(task)) for task in suspects]
        return results


def _alone(task: Task) -> Any:
    with _processes(1) as pool:
        try:
            return pool.submit(task.function, *task.arguments).result()
        except BrokenProcessPool:
            return Crash()


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
