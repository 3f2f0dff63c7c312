"""What every task hands back: a model, what it said about the tested people, and how it was chosen."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.frames import FrameTable
from finetune.models.network import Network


@dataclass(frozen=True)
class Outcome:
    """The result of one job, before scoring."""

    model: Network
    heads: dict[str, Any]
    """Constructor arguments of the model besides its encoder."""
    threshold_A: NDArray[np.float64] | None
    """Probability from which an AU counts as present, chosen on validation people; None for intensities."""
    validation: FrameTable
    test: FrameTable
    """The chosen model's predictions for the tested people."""
    chosen: dict[str, Any]
    """Which epoch or step was chosen, by what."""
    best_on_test: FrameTable
    """Predictions of the epoch that scores best on the tested people themselves: an upper bound."""
    best_on_test_threshold_A: NDArray[np.float64] | None
    facts: dict[str, Any]
    stages: dict[str, dict[str, float]]


@dataclass
class Stages:
    """Seconds and images of each named stage of a job."""

    stages: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str, images: int = 0) -> Iterator[None]:
        """Count what happens inside to stage `name`."""
        start = monotonic()
        yield
        stage = self.stages.setdefault(name, {"seconds": 0.0, "images": 0.0})
        stage["seconds"] += monotonic() - start
        stage["images"] += images
