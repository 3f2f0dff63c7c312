"""Work done ahead of its turn: in threads, within a bound of what waits, or by whoever asks for it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


class WhenAsked(Executor):
    """Does what it is given in the thread that asks for the result, and anew for each that asks."""

    def submit(self, fn: Callable[..., _R], /, *args: Any, **kwargs: Any) -> Future[_R]:
        return _Asked(partial(fn, *args, **kwargs))


class _Asked(Future[_R]):
    def __init__(self, work: Callable[[], _R]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> _R:
        return self._work()


@contextmanager
def workers(name: str, threads: int) -> Iterator[Executor]:
    """A pool of so many threads; of none, `WhenAsked`.

    Left by an exception (a generator that is closed is), it does not begin what waits. Left at its end, it
    does: others may hold what was handed on, and wait for it.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name) if threads else WhenAsked()
    finished = False
    try:
        yield pool
        finished = True
    finally:
        # Without waiting: the garbage collector may end a stream in the middle of anything, also while the
        # thread that it runs in holds what the pool's threads wait for.
        pool.shutdown(wait=False, cancel_futures=not finished)


@dataclass(frozen=True)
class Bound:
    """How far ahead."""

    items: int
    """That wait when one more is begun; with 0 each is begun when it is asked for."""
    weight: float = float("inf")
    """Of those, the newest left out."""


def ahead(
    items: Iterable[_T],
    begin: Callable[[_T], list[Future[_R]]],
    bound: Bound,
    weigh: Callable[[_T], float] = lambda _: 0.0,
) -> Iterator[tuple[_T, list[Future[_R]]]]:
    """Each item with its futures, in order, begun up to `bound` early; the caller waits for them."""
    begun: deque[tuple[_T, list[Future[_R]], float]] = deque()
    try:
        for item in items:
            begun.append((item, begin(item), weigh(item)))
            while begun and (len(begun) > bound.items or _all_but_newest(begun) > bound.weight):
                done, futures, _ = begun.popleft()
                yield done, futures
        while begun:
            done, futures, _ = begun.popleft()
            yield done, futures
    finally:
        for _, futures, _ in begun:
            for future in futures:
                future.cancel()


def _all_but_newest(begun: Iterable[tuple[Any, Any, float]]) -> float:
    *weights, _ = (weight for *_, weight in begun)
    return sum(weights)
