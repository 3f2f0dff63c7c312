"""Try again after a passing fault: exponential waits with full jitter, until a deadline."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class RetryPolicy:
    """How long and how patiently to try again.

    The wait before try n+1 is drawn uniformly from [0, min(longest, first * 2**n)]: full jitter keeps a
    thousand workers that failed together from coming back together.
    """

    deadline_seconds: float = 90.0
    """A store, its network or its name may be gone for a minute."""
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 10.0

    def wait_seconds(self, failures: int, draw: float) -> float:
        """The wait after `failures` failures (1 or more), for a `draw` from [0, 1)."""
        exponent = min(failures - 1, 30)
        return draw * min(self.longest_wait_seconds, self.first_wait_seconds * 2.0**exponent)


def retry(
    operation: Callable[[int], Value],
    is_retryable: Callable[[Exception], bool],
    policy: RetryPolicy,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[], int] = lambda: 0,
) -> Value:
    """Return `operation(failures_so_far)`, trying again while its error is retryable and time is left.

    `progress` says how far the operation is: after some, waits and the deadline begin anew. Whoever gives it
    limits the whole.

    Raises:
        Exception: the last error, unchanged, when it is not retryable or the deadline would pass.
    """
    start = time.monotonic()
    failures = fruitless = 0
    while True:
        before = progress()
        try:
            return operation(failures)
        except Exception as error:
            failures += 1
            fruitless += 1
            if progress() > before:
                start, fruitless = time.monotonic(), 1
            wait = policy.wait_seconds(fruitless, random.random())
            if not is_retryable(error) or time.monotonic() - start + wait > policy.deadline_seconds:
                raise
        sleep(wait)
