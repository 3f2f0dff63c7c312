from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.retry import RetryPolicy, retry


def failing(times: int) -> tuple[list[int], object]:
    calls: list[int] = []

    def operation(failures: int) -> str:
        calls.append(failures)
        if len(calls) <= times:
            raise TimeoutError(f"try {len(calls)}")
        return "done"

    return calls, operation


def test_tries_until_it_works() -> None:
    calls, operation = failing(3)
    waits: list[float] = []
    assert retry(operation, lambda _: True, RetryPolicy(), waits.append) == "done"
    assert calls == [0, 1, 2, 3]
    assert len(waits) == 3


def test_other_errors_come_at_once() -> None:
    calls, operation = failing(1)
    with pytest.raises(TimeoutError, match="try 1"):
        retry(operation, lambda _: False, RetryPolicy())
    assert calls == [0]


def test_deadline_gives_the_last_error() -> None:
    _, operation = failing(10**9)
    with pytest.raises(TimeoutError, match=r"try \d+"):
        retry(operation, lambda _: True, RetryPolicy(0.2, 0.01, 0.02))


def test_progress_begins_anew() -> None:
    """Ten failures, each after getting on: no wait grows, and the deadline holds for none of them."""
    reached = 0
    waits: list[float] = []

    def operation(failures: int) -> int:
        nonlocal reached
        reached += 1
        sleep(0.02)
        if reached <= 10:
            raise TimeoutError
        return failures

    policy = RetryPolicy(deadline_seconds=0.1, first_wait_seconds=0.001, longest_wait_seconds=10)
    assert retry(operation, lambda _: True, policy, waits.append, lambda: reached) == 10
    assert max(waits) <= 0.001


def test_without_progress_the_deadline_holds() -> None:
    def operation(failures: int) -> None:
        sleep(0.02)
        raise TimeoutError

    start = monotonic()
    with pytest.raises(TimeoutError):
        retry(operation, lambda _: True, RetryPolicy(0.1, 0.001, 0.001), progress=lambda: 7)
    assert monotonic() - start < 0.3


@given(failures=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_bound(failures: int, draw: float) -> None:
    policy = RetryPolicy(60, 0.1, 10)
    wait = policy.wait_seconds(failures, draw)
    assert 0 <= wait <= min(10, 0.1 * 2 ** min(failures - 1, 30))
