"""Whose face a track shows.

A data set names one person per video, and its labels are that person's. Where more faces are seen, the
largest is taken for the named person as long as it is there, and any other face at the same time for somebody
else, who has no labels (this project's rule). Where nobody is named, every track is a person of its own.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from shards.layouts.layout import Source
from shards.pack.spool import Piece


@dataclass
class _Seen:
    """A track's first and last frame, and its size: eye distances in pixels, summed over its frames."""

    first: int
    last: int
    size: float = 0.0


def bystanders(pieces: Iterable[Piece]) -> set[int]:
    """The tracks of one video that cannot be its named person: they are seen beside a larger track."""
    tracks: dict[int, _Seen] = {}
    for piece in pieces:
        seen = tracks.setdefault(piece.track, _Seen(piece.frame_number[0], piece.frame_number[-1]))
        seen.first, seen.last = (
            min(seen.first, piece.frame_number[0]),
            max(seen.last, piece.frame_number[-1]),
        )
        landmarks_T52 = np.array(piece.landmarks).reshape(-1, 5, 2)
        seen.size += float(np.linalg.norm(landmarks_T52[:, 0] - landmarks_T52[:, 1], axis=1).sum())
    named: list[tuple[int, int]] = []  # spans of the named person's tracks: in order, and apart
    others = set()
    for track, seen in sorted(tracks.items(), key=lambda item: (-item[1].size, item[0])):
        place = bisect_left(named, (seen.first, seen.last))
        before_ends = place == 0 or named[place - 1][1] < seen.first
        after_begins = place == len(named) or named[place][0] > seen.last
        if before_ends and after_begins:
            insort(named, (seen.first, seen.last))
        else:
            others.add(track)
    return others


def person_of(source: Source, track: int, is_bystander: bool) -> str:
    """The identity of a track."""
    if source.identity is None or is_bystander:
        return f"{source.video_id}#{track}"
    return source.identity
