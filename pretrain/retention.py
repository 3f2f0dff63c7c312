"""Which checkpoints of a run stay: the last ones, one every so many steps, and the best by a metric."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pretrain.errors import CheckpointError
from shards import storage


@dataclass(frozen=True)
class Saved:
    """A committed checkpoint; `metrics` are the newest at its step."""

    url: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Retention:
    """A checkpoint stays for any one of the reasons."""

    last: int = 2
    """The newest so many."""
    every: int | None = None
    """All at multiples of so many steps."""
    best: str | None = None
    """The one with the best value of this metric. The oldest of equals: of a metric that is measured more
    seldom than checkpoints are saved, later ones repeat the value."""
    best_is: Literal["lowest", "highest"] = "lowest"

    def __post_init__(self) -> None:
        if self.last < 1 or (self.every is not None and self.every < 1):
            raise ValueError(f"retention needs last >= 1 and every >= 1 or None, found {self}")

    def kept(self, oldest_first: Sequence[Saved]) -> set[str]:
        """URLs of those that stay."""
        kept = {saved.url for saved in oldest_first[-self.last :]}
        if self.every is not None:
            kept |= {saved.url for saved in oldest_first if saved.step % self.every == 0}
        if self.best is not None:
            sign = 1.0 if self.best_is == "lowest" else -1.0
            scored = [
                (sign * saved.metrics[self.best], number, saved.url)
                for number, saved in enumerate(oldest_first)
                if math.isfinite(saved.metrics.get(self.best, math.nan))
            ]
            kept |= {url for _, _, url in sorted(scored)[:1]}
        return kept

    def refuse_unknown(self, metrics: Mapping[str, float]) -> None:
        """Check that the metric that decides is among `metrics`, if any are known yet.

        Raises:
            CheckpointError: it is not, naming those that are.
        """
        if self.best is not None and metrics and self.best not in metrics:
            raise CheckpointError(
                f"run.keep_best={self.best!r} is none of this run's metrics; use one of "
                f"{', '.join(sorted(metrics))}"
            )


class Pruner:
    """Deletes what retention does not keep."""

    def __init__(self, retention: Retention, metrics_of: Callable[[str], Mapping[str, float]]) -> None:
        """`metrics_of` reads a checkpoint's metrics; it is asked once for each, and only if they decide."""
        self._retention, self._metrics_of = retention, metrics_of
        self._known: dict[str, Saved] = {}

    def prune(self, oldest_first: Sequence[str], marker: str) -> None:
        """Delete checkpoints by URL, each one's file `marker` first: what a kill leaves is no checkpoint."""
        found = [self._saved(url) for url in oldest_first]
        kept = self._retention.kept(found)
        for url in (saved.url for saved in found if saved.url not in kept):
            for name in sorted(storage.list_names(url), key=lambda name: name != marker):
                storage.delete(storage.join(url, name))

    def _saved(self, url: str) -> Saved:
        if url not in self._known:
            metrics = {} if self._retention.best is None else self._metrics_of(url)
            self._known[url] = Saved(url, int(url.rpartition("-")[2]), metrics)
        return self._known[url]
