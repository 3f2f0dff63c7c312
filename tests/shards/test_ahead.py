"""Working ahead: in order, as far as the bounds allow, and nothing begun that nobody waits for."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.ahead import Bound, WhenAsked, ahead, workers


def done(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


@given(weights=st.lists(st.integers(0, 9), max_size=30), items=st.integers(0, 5), weight=st.floats(0, 30))
def test_order_is_kept_and_nothing_begun_past_a_bound(weights, items, weight):
    waiting: list[int] = []

    def begin(place: int) -> list[Future[int]]:
        assert len(waiting) <= items
        assert sum(weights[before] for before in waiting[:-1]) <= weight
        waiting.append(place)
        return [done(place)]

    stream = ahead(range(len(weights)), begin, Bound(items, weight), lambda place: weights[place])
    for taken, (place, (future,)) in enumerate(stream):
        assert waiting.pop(0) == place == future.result() == taken


def test_what_nobody_waits_for_is_cancelled():
    futures = [Future() for _ in range(4)]
    stream = ahead(range(4), lambda place: [futures[place]], Bound(3))
    assert next(stream)[0] == 0
    stream.close()
    assert [future.cancelled() for future in futures] == [False, True, True, True]


def test_without_threads_the_one_who_asks_does_it():
    asked: list[int] = []
    with workers("none", 0) as pool:
        assert isinstance(pool, WhenAsked)
        future = pool.submit(asked.append, 1)
        assert asked == []
        future.result()
        assert asked == [1]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 // 0).result()
    with workers("some", 2) as pool:
        assert isinstance(pool, ThreadPoolExecutor)


@pytest.mark.parametrize("finished", [True, False])
def test_what_waits_is_done_after_the_end_and_not_after_an_error(finished):
    may_go_on = Event()
    with suppress(ZeroDivisionError), workers("one", 1) as pool:
        begun, waiting = pool.submit(may_go_on.wait, 60), pool.submit(int, "7")
        if not finished:
            raise ZeroDivisionError
    may_go_on.set()
    assert begun.result()
    assert waiting.cancelled() != finished
    assert not finished or waiting.result(60) == 7
