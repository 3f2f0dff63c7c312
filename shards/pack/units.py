"""Videos into units: the pieces of a pack that are worked on, committed and begun again alone."""

import heapq
from dataclasses import dataclass, field

from shards.layouts.layout import Listing, Source
from shards.pack.origin import Origin, source_bytes
from shards.pack.spool import video_hash
from shards.schema import Failure


@dataclass
class Unit:
    """Videos whose samples stand in shards of their own."""

    name: str
    sources: list[Source] = field(default_factory=list)
    bytes_of: dict[str, int] = field(default_factory=dict)
    """Of each video by its id; counted once, where the whole data set is seen."""
    failures: list[Failure] = field(default_factory=list)
    """Of files that belong to no video."""

    @property
    def bytes(self) -> int:
        """Of all its videos."""
        return sum(self.bytes_of.values())


def assign(listing: Listing, origin: Origin, namespace: str, videos_per_unit: int) -> list[Unit]:
    """Units of about equal bytes, in the order of their names; the same for the same listing.

    The largest video goes first, each to the unit that has the fewest bytes; videos of one size are taken in
    the order of a hash of their names, which mixes people.
    """
    units = [Unit(f"{number:05d}") for number in range(-(-len(listing.sources) // videos_per_unit))]
    lightest = [(0, number) for number in range(len(units))]
    weighed = [
        (-source_bytes(source, origin), video_hash(namespace, source.video_id), place)
        for place, source in enumerate(listing.sources)
    ]
    for negative, _, place in sorted(weighed):
        before, number = lightest[0]
        source = listing.sources[place]
        units[number].sources.append(source)
        units[number].bytes_of[source.video_id] = -negative
        heapq.heapreplace(lightest, (before - negative, number))
    for failure in listing.failures:
        units[int(video_hash(namespace, failure.source), 16) % len(units)].failures.append(failure)
    for unit in units:
        unit.sources.sort(key=lambda source: source.video_id)
    return units
