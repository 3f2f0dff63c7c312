"""How a rank reads, and what is counted meanwhile."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from shards import storage
from shards.ahead import Bound
from shards.errors import ShardError

STORE_FETCH_THREADS = 32
"""Requests under way at once, from a store: one that answers after 30 ms needs one for every 30 a second."""


@dataclass(frozen=True)
class StreamConfig:
    """How a rank reads."""

    threads: int = 2
    """That decode; with 0 everything is done when it is asked for, without threads."""
    fetch_threads: int | None = None
    """That fetch; with 0 those that decode do, each clip just before. None is `STORE_FETCH_THREADS` where a
    set is in a store, and 0 where all are on local disks: microseconds of reading are not worth the
    interpreter's switching between threads."""
    read_ahead: int = 4
    """Batches fetched, and batches decoded, before they are asked for."""
    read_ahead_mb: int = 1024
    """What these batches may take in each stage, counted as decoded frames; large ones are then fewer."""
    max_unreadable: int = 100
    """Samples that may be unreadable before the run stops."""

    def __post_init__(self) -> None:
        at_least_0 = (self.threads, self.max_unreadable, self.fetch_threads or 0)
        if min(self.read_ahead, self.read_ahead_mb) < 1 or min(at_least_0) < 0:
            raise ValueError(
                "stream needs read_ahead and read_ahead_mb >= 1, threads, fetch_threads and max_unreadable "
                f">= 0, found {self}"
            )

    def for_sets(self, urls: Iterable[str]) -> "StreamConfig":
        """With `fetch_threads` that fit where these sets are."""
        if self.fetch_threads is not None:
            return self
        return replace(self, fetch_threads=STORE_FETCH_THREADS if any(map(storage.is_s3, urls)) else 0)

    @property
    def fetchers(self) -> int:
        """Threads that do nothing but fetch."""
        return (self.fetch_threads or 0) if self.threads else 0

    @property
    def bound(self) -> Bound:
        """How far a stage works ahead."""
        return Bound(self.read_ahead if self.threads else 0, self.read_ahead_mb * 1e6)


@dataclass
class StreamCounters:
    """What a stream has done so far; logged with the training metrics."""

    requests: int = 0
    bytes_fetched: int = 0
    bytes_decoded: int = 0
    plan_seconds: float = 0.0
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0
    wait_seconds: float = 0.0
    withheld: int = 0
    """Clips left empty because their person or video was forgotten since the run began."""
    damaged_reads: int = 0
    """Transfers whose bytes were not those of the index, and were asked for again."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """Samples that could not be read, by provenance, with the reason."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def copy(self) -> "StreamCounters":
        """As they are now."""
        with self._lock:
            return StreamCounters(**self._values())

    def since(self, before: "StreamCounters") -> "StreamCounters":
        """What was added to the numbers after `before` was copied."""
        earlier = before._values()
        return StreamCounters(**{name: now - earlier[name] for name, now in self.copy()._values().items()})

    def _values(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, int | float)}

    def quarantine(self, provenance: str, reason: str, limit: int) -> None:
        """Note an unreadable sample.

        Raises:
            ShardError: more than `limit` samples are unreadable.
        """
        with self._lock:
            self.quarantined[provenance] = reason
            if len(self.quarantined) > limit:
                named = "; ".join(f"{key}: {why}" for key, why in list(self.quarantined.items())[:3])
                raise ShardError(
                    f"{len(self.quarantined)} samples could not be read, more than max_unreadable={limit}; "
                    f"run `python -m shards verify` on the set. First: {named}"
                )
