"""Where the CPU time of a video goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """CPU time by stage; a stage inside another is taken from the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start, before = time.process_time(), self._inner
        self._inner = 0.0
        try:
            yield
        finally:
            spent = time.process_time() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent - self._inner
            self._inner = before + spent
