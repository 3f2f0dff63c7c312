"""What pretraining reads: one shard set or a mix of several, opened and planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pretrain.config import MISSING, ConfigError
from shards.batch import ClipSpec
from shards.mix import MixedPlan
from shards.plan import WINDOW_ROWS, Plan
from shards.policies import Policy
from shards.stream_config import StreamConfig
from shards.tracks import TrackSet, load_tracks


@dataclass(frozen=True)
class AlsoConfig:
    """Another set of a mix."""

    url: str = MISSING
    clips: int = MISSING
    """Of each global batch."""


@dataclass(frozen=True)
class DataConfig:
    """Where shards are and how they are read."""

    url: str = MISSING
    """Shard set, local or s3://."""
    also: list[AlsoConfig] = field(default_factory=list)
    """More sets, each with an epoch of its own; the rest of a batch is of `url`."""
    window_rows: int = WINDOW_ROWS
    """Samples shuffled together, to within a unit of the set."""
    stream: StreamConfig = field(default_factory=StreamConfig)

    def __post_init__(self) -> None:
        if self.window_rows < 1:
            raise ValueError(f"data.window_rows must be at least 1, found {self.window_rows}")
        if any(other.clips < 1 for other in self.also):
            raise ValueError(f"data.also needs at least 1 clip of each set, found {self.also}")


def open_sets(config: DataConfig, order: Mapping[str, Any] | None = None) -> list[TrackSet]:
    """The sets of a run; one that goes on leaves out whom it left out at its start.

    Args:
        config: which sets.
        order: what the run's checkpoints say of its order; None for a new run.

    Raises:
        ShardError: a set cannot be read.
    """
    urls = [config.url, *(other.url for other in config.also)]
    names = [f"{number}.left_out" for number in range(len(urls))] if config.also else ["left_out"]
    return [
        load_tracks(url, None if order is None else order.get(name))
        for url, name in zip(urls, names, strict=True)
    ]


def make_plan(
    sets: Sequence[TrackSet], config: DataConfig, spec: ClipSpec, policy: Policy, global_batch: int, seed: int
) -> Plan | MixedPlan:
    """The order in which a run reads its sets.

    Raises:
        ConfigError: the other sets leave no clip for the first.
        ShardError: no sample of a set can hold the clip.
    """
    quotas = [other.clips for other in config.also]
    first = global_batch - sum(quotas)
    if first < 1:
        raise ConfigError(
            f"data.also takes {sum(quotas)} clips of each batch of {global_batch} and leaves none for "
            f"{config.url}; raise run.global_batch or take fewer"
        )
    plans = [
        Plan(tracks, spec, clips, seed, policy, window_rows=config.window_rows)
        for tracks, clips in zip(sets, [first, *quotas], strict=True)
    ]
    return MixedPlan(plans, seed) if quotas else plans[0]
