"""How far a pack is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

COUNTED = ("videos_done", "bytes_done", "frames", "samples", "failures", "stage_seconds")


@dataclass
class Progress:
    """Counts of a pack so far; a local pack gives the same object at every call."""

    videos: int
    """Of the whole set."""
    source_bytes: int = 0
    """Of the whole set: videos differ in length, so bytes tell better how much is left."""
    videos_done: int = 0
    bytes_done: int = 0
    frames: int = 0
    """Decoded by this run."""
    samples: int = 0
    """Written by this run."""
    failures: Counter[str] = field(default_factory=Counter)
    stage_seconds: Counter[str] = field(default_factory=Counter)
    """CPU seconds of the workers."""
    note: str = ""

    def become(self, before: "Progress", since: "Progress") -> None:
        """Count what `before` had and `since` added."""
        for name in COUNTED:
            setattr(self, name, getattr(before, name) + getattr(since, name))

    def add(self, other: "Progress") -> None:
        """Count what another one did; totals and note stay."""
        self.become(self, other)


Tell = Callable[[Progress], None]
