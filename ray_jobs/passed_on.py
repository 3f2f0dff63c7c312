"""What trackers share that stand before another one."""

from collections.abc import Mapping, Sequence

from pretrain.tracking import Tracker


class PassedOn:
    """A `Tracker` that hands all on; a subclass looks at metrics on their way."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._tracker.log(metrics, step)

    def unsent(self) -> list[str]:
        return self._tracker.unsent()

    def adopt(self, lines: Sequence[str]) -> None:
        self._tracker.adopt(lines)

    def finish(self) -> None:
        self._tracker.finish()
