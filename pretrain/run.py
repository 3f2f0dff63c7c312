"""How long a run is, what it keeps and where; the config section `run`."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pretrain.config import MISSING
from pretrain.not_finite import OnNotFinite
from pretrain.retention import Retention


@dataclass(frozen=True)
class RunConfig:
    url: str = MISSING
    """Where checkpoints and the encoder go, local or s3://. An unfinished run there is continued."""
    steps: int = 100_000
    global_batch: int = 64
    """Clips per step over all ranks."""
    seed: int = 0
    log_every: int = 50
    save_every: int = 1000
    keep_checkpoints: int = 2
    """The newest so many are kept."""
    keep_every: int | None = None
    """So are all at multiples of so many steps, for ever; a multiple of save_every."""
    keep_best: str | None = None
    """So is the one with the best value of this metric, e.g. loss/total."""
    best_is: Literal["lowest", "highest"] = "lowest"
    on_not_finite: OnNotFinite = "stop"
    """After a gradient that is not finite, whose update is always left out: stop at the next log step, or go
    on and count it in optim/skipped_updates."""

    def __post_init__(self) -> None:
        numbers = (self.steps, self.global_batch, self.log_every, self.save_every, self.keep_checkpoints)
        if min(numbers) < 1:
            raise ValueError(f"each number under run must be at least 1, found {self}")
        if self.seed < 0:
            raise ValueError(f"run.seed must be at least 0, found {self.seed}")
        if self.keep_every is not None and (self.keep_every < 1 or self.keep_every % self.save_every):
            raise ValueError(
                f"run.keep_every={self.keep_every} must be a multiple of run.save_every={self.save_every}"
            )

    def seed_of(self, step: int, rank: int) -> int:
        """Of what a step's layers draw (drop path, dropout): no run before it, nor a probe, moves them."""
        return int(np.random.SeedSequence([self.seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)

    @property
    def retention(self) -> Retention:
        """Which checkpoints stay."""
        return Retention(self.keep_checkpoints, self.keep_every, self.keep_best, self.best_is)
