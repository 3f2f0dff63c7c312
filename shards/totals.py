"""What a set holds, counted from its rows: used by the packer that writes it and the check that reads it."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from shards.runs import Piece
from shards.schema import Totals


class Counted(Piece, Protocol):
    """What a row tells of itself."""

    @property
    def identity(self) -> str: ...


def count_totals(rows: Iterable[Counted], failures: Mapping[str, int]) -> Totals:
    """Totals over all rows; `seconds` is from the first to the last frame of each track, summed."""
    samples = frames = 0
    identities: set[str] = set()
    spans: dict[tuple[str, int], tuple[float, float]] = {}
    for row in rows:
        samples += 1
        frames += row.num_frames
        identities.add(row.identity)
        track = (row.video, row.track)
        first, last = spans.get(track, (row.first_seconds, row.last_seconds))
        spans[track] = (min(first, row.first_seconds), max(last, row.last_seconds))
    return Totals(
        samples=samples,
        frames=frames,
        tracks=len(spans),
        videos=len({video for video, _ in spans}),
        identities=len(identities),
        # In a fixed order, so that the sum has the same bits however the rows came.
        seconds=round(sum(last - first for _, (first, last) in sorted(spans.items())), 6),
        failures=dict(sorted(failures.items())),
    )
