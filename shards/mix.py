"""A mix of sets: so many clips of each in every batch, and an epoch of its own for each."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shards.batch import ClipSpec
from shards.draw import MIX, generator
from shards.errors import ShardError
from shards.plan import Plan, PlannedClip, part_of
from shards.reader import ClipBytes, ClipReader
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet


class MixedPlan:
    """Plans of several sets beside one another; a plan's `global_batch` is its quota of each batch.

    The clips of the sets stand in a batch in an order drawn for each step, so that ranks share all of them.
    A batch keeps each plan's policy; people of sets with different namespaces are different people.
    """

    def __init__(self, plans: Sequence[Plan], seed: int = 0) -> None:
        """`seed` is of the order in which a batch's clips stand.

        Raises:
            ValueError: the plans draw different clips.
        """
        if len({plan.spec for plan in plans}) != 1:
            raise ValueError(f"sets of a mix give clips of one kind, found {[plan.spec for plan in plans]}")
        self._plans, self._seed = list(plans), seed
        self._source_G = np.repeat(np.arange(len(plans)), [plan.global_batch for plan in plans])
        self._slot_G = np.concatenate([np.arange(plan.global_batch) for plan in plans])

    @property
    def spec(self) -> ClipSpec:
        """The clip, which all sets share."""
        return self._plans[0].spec

    @property
    def global_batch(self) -> int:
        """G, clips per step over all sets and ranks."""
        return len(self._source_G)

    @property
    def last_step(self) -> int | None:
        return None

    @property
    def too_short(self) -> int:
        """Samples of all sets left out because they cannot hold the clip."""
        return sum(plan.too_short for plan in self._plans)

    def describe(self) -> dict[str, object]:
        """What defines the order; a resumed run must agree in each entry."""
        parts = {
            f"{number}.{name}": value
            for number, plan in enumerate(self._plans)
            for name, value in plan.describe().items()
        }
        return {"sets": len(self._plans), "seed": self._seed, **parts}

    def violations(self, step: int) -> int:
        """Clips of the step that break a policy's invariant within their set."""
        return sum(plan.violations(step) for plan in self._plans)

    def share(self, step: int, rank: int, size: int) -> list[PlannedClip]:
        """One rank's clips of a step.

        Raises:
            ValueError: the batch does not divide by the number of ranks.
        """
        mine = part_of(self.global_batch, rank, size)
        order_G = generator(self._seed, MIX, step).permutation(self.global_batch)
        chosen = order_G[mine]
        clips: dict[int, PlannedClip] = {}
        for source, plan in enumerate(self._plans):
            places = chosen[self._source_G[chosen] == source]
            for place, clip in zip(places, plan.clips(step, self._slot_G[places]), strict=True):
                clips[int(place)] = replace(clip, source=source)
        first = step * self.global_batch + mine.start
        return [replace(clips[int(place)], position=first + i) for i, place in enumerate(chosen)]


class MixReader:
    """Reads the clips of several sets, each by its number in the mix."""

    def __init__(self, sets: Sequence[TrackSet], config: StreamConfig, counters: StreamCounters) -> None:
        """Open the sets' readers.

        Raises:
            ShardError: their crops were made in different ways.
        """
        differing = {tracks.url: tracks.manifest.recipe_digest[:12] for tracks in sets}
        if len(set(differing.values())) > 1:
            raise ShardError(f"sets of a mix need one crop recipe, found {differing}; pack them alike")
        self.config, self.counters = config.for_sets(tracks.url for tracks in sets), counters
        self._readers = [ClipReader(tracks, self.config, counters) for tracks in sets]
        self.size = self._readers[0].size

    def fetch(self, clip: PlannedClip) -> ClipBytes:
        """As `ClipReader.fetch`."""
        return self._readers[clip.source].fetch(clip)

    def decode_into(self, read: ClipBytes, frames_THWC: NDArray[np.uint8]) -> bool:
        """As `ClipReader.decode_into`."""
        return self._readers[read.clip.source].decode_into(read, frames_THWC)

    def aus_of(self, member: str) -> list[int]:
        """The AUs of all sets; none where they differ, since a batch has one list of them."""
        first, *others = (reader.aus_of(member) for reader in self._readers)
        return first if all(aus == first for aus in others) else []
