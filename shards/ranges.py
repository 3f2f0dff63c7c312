"""Which bytes a clip's frames are, and which of them are asked for together."""

from typing import NamedTuple

from shards.reach import IntArray
from shards.unit_rows import UnitRows

COALESCE_BYTES = 64 * 1024
"""Frames nearer than this in a shard may share a request: a request costs more than the bytes between."""
MOST_WASTE = 1.0
"""Bytes between frames that a clip's requests may fetch, per byte of its frames; or, where that is more:"""
FREE_WASTE = 128 * 1024


class Wanted(NamedTuple):
    """A frame's bytes in its shard."""

    shard: str
    offset: int
    length: int
    crc32: int


def wanted_frames(unit: UnitRows, local_T: IntArray, frames_T: IntArray) -> list[Wanted | None]:
    """Where frames of rows of a unit are; None for an empty slot."""
    places = {local: unit.frame_places(local) for local in set(local_T.tolist())}
    shards = {local: str(unit.name("shard", local)) for local in places}
    wanted_T: list[Wanted | None] = []
    for local, frame in zip(local_T.tolist(), frames_T.tolist(), strict=True):
        numbers = [int(column[frame]) for column in places[local]]
        wanted_T.append(Wanted(shards[local], *numbers) if frame >= 0 else None)
    return wanted_T


def coalesced(wanted: list[Wanted]) -> list[list[Wanted]]:
    """Frames, sorted by place, that one request fetches together.

    The smallest gaps are closed first, as long as what lies in them is not more than `MOST_WASTE` and
    `FREE_WASTE` allow.
    """
    ends = [one.offset + one.length for one in wanted]
    gaps = [
        (after.offset - end, place)
        for place, (end, one, after) in enumerate(zip(ends, wanted, wanted[1:], strict=False))
        if one.shard == after.shard and after.offset - end <= COALESCE_BYTES
    ]
    room = max(FREE_WASTE, MOST_WASTE * sum(one.length for one in wanted))
    closed = set()
    for gap, place in sorted(gaps):
        room -= gap
        if room < 0:
            break
        closed.add(place)
    together: list[list[Wanted]] = []
    for place, one in enumerate(wanted):
        if place - 1 in closed:
            together[-1].append(one)
        else:
            together.append([one])
    return together
