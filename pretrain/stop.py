"""Stopping a run that is asked to end: what asks, and how its ranks stop after the same step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pretrain.world import World

Asked = Callable[[], bool]
"""Whether this process was asked to end; called once after each step, on every rank."""


def never() -> bool:
    """Nobody asks."""
    return False


@contextmanager
def asked_by_signal(number: signal.Signals = signal.SIGTERM) -> Iterator[Asked]:
    """Take the signal as a request: launchers send SIGTERM and kill only some time later."""
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(number, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(number, before)


class Stop:
    """Called by every rank after each step: whether all of them stop now.

    That a rank was asked is known to all a step later: the answer travels while the next step is made.
    """

    def __init__(self, world: World, asked: Asked) -> None:
        self._world, self._asked = world, asked
        self._answer = never

    def __call__(self) -> bool:
        stops = self._answer()
        self._answer = self._world.agree(self._asked())
        return stops
