"""Videos of a finished set that look like copies of others: re-encoded, rescaled, recompressed.

Two tracks of different videos match if they last equally long and their looks (`shards.look`) differ in few
bits, piece by piece. Two videos are linked if half of the frames of each lie on matching tracks; videos that
are linked, directly or over others, are a group. No frame is read: looks stand in the index.

What it finds, in crops of 96 pixels and samples of 64 frames:

    20 generated videos of 224 pixels, again at 3/4 of the size, crf 28    20
    the same at half of the size, crf 35                                   12; in 7 the face was lost at times
    400 generated pictures, again at 3/4 of the size, JPEG quality 60      142
    the same at half of the size, JPEG quality 40                           99
    2 real videos, again in both ways                                        4 of 4
    the same 20 videos without their first 1.6 seconds                       0; 4 if lengths did not matter
    the same 20 videos mirrored                                              0
    the same 20 videos without every fifth frame                            11

and what it takes for copies that are none:

    pairs of 140 videos of 70 generated people      0 of 9,730
    pairs of pictures of 1,000 generated people     1 of 499,500

So a trimmed or mirrored copy is found by luck only, and about half of those of another frame rate, whose
pieces begin at other moments. Single pictures are the weak place: a quarter to a third of the copies is
found, and among 20,000 pictures hundreds of wrong pairs are to be expected. One person filmed twice in one
place and pose can look like a copy. Read the report before copies are dropped.

First looks are compared by products of matrices, block by block: 40,000 tracks of one length took 9 s and
0.3 GB on 2 cores, 100,000 would take about a minute. Tracks of different length are not compared at all.

Axes: S samples, V videos, T tracks, P pieces of a track, L bytes of a look, N pairs of tracks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shards.index import open_set
from shards.look import LOOK_BITS, LOOK_BYTES
from shards.schema import Manifest
from shards.tombstones import hidden, tombstones

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MOST_DIFFERENCE = 0.16
"""Share of differing bits, a mean over the common samples of two tracks."""
FEW_SAMPLES = 2 / 3
"""Few looks say less than many: n common samples may differ by 1 - `FEW_SAMPLES` / n of `MOST_DIFFERENCE`."""
FIRST_SLACK = 1.5
"""By how much more than the mean a pair's first samples may differ."""
MOST_SECONDS = 1.0
"""By which the tracks of copies differ in length."""
LEAST_SHARE = 0.5
"""Of the frames of either video that lie on matching tracks."""
MOST_PIECES = 16
"""That are compared, from the beginning of a track."""
BLOCK_TRACKS = 4096
"""Multiplied at once; 64 MiB for a block of products."""
CHUNK_PAIRS = 2**15


@dataclass(frozen=True)
class Copy:
    """A video that looks like another of its group, with the least difference to one of them."""

    video: str
    people: list[str]
    difference: float


@dataclass(frozen=True)
class Group:
    """Videos that look alike, directly or over others; the first by its name counts as the original."""

    original: str
    people: list[str]
    copies: list[Copy]


@dataclass(frozen=True)
class NearDuplicates:
    """What was found in a set."""

    url: str
    most_difference: float
    tracks: int
    not_compared: int
    """Tracks whose first sample is not in the set: a gate of packing left it out."""
    groups: list[Group]

    @property
    def copies(self) -> list[str]:
        """All videos but the originals."""
        return [copy.video for group in self.groups for copy in group.copies]

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Tracks:
    """Columns of tracks, the shortest track first."""

    video_T: IntArray
    """Places in the sorted names of videos."""
    frames_T: IntArray
    seconds_T: FloatArray
    is_there_TP: NDArray[np.bool_]
    look_TPL: NDArray[np.uint8]

    def take(self, chosen_T: IntArray) -> "_Tracks":
        return _Tracks(**{name: column[chosen_T] for name, column in vars(self).items()})


def near_duplicates(url: str, most_difference: float = MOST_DIFFERENCE) -> NearDuplicates:
    """Find the copies in the set at `url`, from its index alone; what is forgotten is not looked at.

    Raises:
        ShardError: there is no finished set.
        ValueError: `most_difference` is no share of bits, or one that unrelated faces have.
    """
    if not 0 <= most_difference < 0.5:
        raise ValueError(
            f"most_difference: found {most_difference}, wanted 0 to below 0.5; "
            f"unrelated faces differ by about 0.45, the default is {MOST_DIFFERENCE}"
        )
    manifest, table = open_set(url)
    table = _remembered(manifest, table, url)
    people: defaultdict[str, set[str]] = defaultdict(set)
    for video, identity in zip(table["video"].to_pylist(), table["identity"].to_pylist(), strict=True):
        people[video].add(identity)
    names = sorted(people)
    tracks = _tracks(table, names)
    links, not_compared = _linked(tracks, len(names), most_difference)
    groups = []
    for first, *others in _connected(links):
        copies = []
        for video in others:
            difference = min(links[pair] for pair in links if video in pair)
            copies.append(Copy(names[video], sorted(people[names[video]]), round(difference, 4)))
        groups.append(Group(names[first], sorted(people[names[first]]), copies))
    return NearDuplicates(url, most_difference, len(tracks.video_T), not_compared, groups)


def copies_across(
    url: str, other_url: str, others: Collection[str], most_difference: float = MOST_DIFFERENCE
) -> list[tuple[str, str, float]]:
    """Videos of a set that look like videos of some people of another set, or of the same one.

    Args:
        url: a set, searched whole.
        other_url: where the people are.
        others: people of `other_url`.
        most_difference: share of bits.

    Returns:
        A video of `url`, the video of `others` that it looks like, and by which share of bits they differ.
        A video is no copy of itself where both are one set.

    Raises:
        ShardError: there is no finished set.
    """
    tables = []
    for place, where in enumerate((url, other_url)):
        manifest, table = open_set(where)
        table = _remembered(manifest, table, where)
        if place:
            table = table.filter(np.isin(np.array(table["identity"].to_pylist()), sorted(others)))
        names = [f"{place}{name}" for name in table["video"].to_pylist()]
        table = table.select(["track", "piece", "num_frames", "time_seconds", "look"])
        tables.append(table.append_column("video", pa.array(names, pa.string())))
    both = pa.concat_tables(tables)
    names = sorted(set(both["video"].to_pylist()))
    links, _ = _linked(_tracks(both, names), len(names), most_difference)
    return [
        (names[one][1:], names[other][1:], difference)
        for (one, other), difference in sorted(links.items())
        if names[one][0] != names[other][0] and not (url == other_url and names[one][1:] == names[other][1:])
    ]


def _remembered(manifest: Manifest, table: Any, url: str) -> Any:
    """The rows of those who are not forgotten."""
    people, videos = table["identity"].to_pylist(), table["video"].to_pylist()
    return table.filter(~hidden(manifest.namespace, people, videos, tombstones(url)))


def _linked(
    tracks: _Tracks, num_videos: int, most_difference: float
) -> tuple[dict[tuple[int, int], float], int]:
    """Pairs of videos that look alike, and how many tracks could not be compared."""
    compared = tracks.take(np.flatnonzero(tracks.is_there_TP[:, 0]))
    frames_V = np.bincount(tracks.video_T, tracks.frames_T, num_videos)
    links = _links(compared, frames_V, _matches(compared, most_difference))
    return links, len(tracks.video_T) - len(compared.video_T)


def _tracks(table: Any, names: list[str]) -> _Tracks:
    place = {name: number for number, name in enumerate(names)}
    video_S = np.array([place[name] for name in table["video"].to_pylist()], np.int64)
    frames_S = table["num_frames"].to_numpy().astype(np.int64)
    piece_S = table["piece"].to_numpy().astype(np.int64)
    both_S2 = np.stack([video_S, table["track"].to_numpy().astype(np.int64)], axis=1)
    both_T2, track_S = np.unique(both_S2, axis=0, return_inverse=True)
    times = table["time_seconds"].combine_chunks().flatten().to_numpy()
    end_S = np.cumsum(frames_S)
    first_T, last_T = np.full(len(both_T2), np.inf), np.full(len(both_T2), -np.inf)
    np.minimum.at(first_T, track_S, times[end_S - frames_S])
    np.maximum.at(last_T, track_S, times[end_S - 1])
    look_SL = np.frombuffer(b"".join(table["look"].to_pylist()), np.uint8).reshape(-1, LOOK_BYTES)
    is_there_TP = np.zeros((len(both_T2), MOST_PIECES), np.bool_)
    look_TPL = np.zeros((*is_there_TP.shape, LOOK_BYTES), np.uint8)
    early = piece_S < MOST_PIECES
    is_there_TP[track_S[early], piece_S[early]] = True
    look_TPL[track_S[early], piece_S[early]] = look_SL[early]
    frames_T = np.bincount(track_S, frames_S, len(both_T2)).astype(np.int64)
    tracks = _Tracks(both_T2[:, 0], frames_T, last_T - first_T, is_there_TP, look_TPL)
    return tracks.take(np.argsort(tracks.seconds_T, kind="stable"))


def _matches(tracks: _Tracks, most_difference: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of tracks that look alike, and the share of bits by which they differ."""
    for one_N, other_N in _candidates(tracks, min(0.5, FIRST_SLACK * most_difference)):
        for start in range(0, len(one_N), CHUNK_PAIRS):
            one, other = one_N[start : start + CHUNK_PAIRS], other_N[start : start + CHUNK_PAIRS]
            common_NP = tracks.is_there_TP[one] & tracks.is_there_TP[other]
            bits_NP = np.bitwise_count(tracks.look_TPL[one] ^ tracks.look_TPL[other]).sum(axis=2)
            common_N = common_NP.sum(axis=1)
            difference_N = (bits_NP * common_NP).sum(axis=1) / (common_N * LOOK_BITS)
            kept = difference_N <= most_difference * (1 - FEW_SAMPLES / common_N)
            yield from zip(one[kept].tolist(), other[kept].tolist(), difference_N[kept].tolist(), strict=True)


def _candidates(tracks: _Tracks, most_difference: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs of tracks of different videos, equally long, whose first samples look alike."""
    least_product = LOOK_BITS * (1 - 2 * most_difference)
    for start in range(0, len(tracks.video_T), BLOCK_TRACKS):
        one_signs = _signs(tracks.look_TPL[start : start + BLOCK_TRACKS, 0])
        longest = tracks.seconds_T[start : start + BLOCK_TRACKS][-1] + MOST_SECONDS
        past = int(np.searchsorted(tracks.seconds_T, longest, "right"))
        for other_start in range(start, past, BLOCK_TRACKS):
            other_signs = _signs(tracks.look_TPL[other_start : other_start + BLOCK_TRACKS, 0])
            one_N, other_N = np.nonzero(one_signs @ other_signs.T >= least_product)
            one_N, other_N = one_N + start, other_N + other_start
            kept = (one_N < other_N) & (tracks.video_T[one_N] != tracks.video_T[other_N])
            kept &= tracks.seconds_T[other_N] - tracks.seconds_T[one_N] <= MOST_SECONDS
            yield one_N[kept], other_N[kept]


def _signs(look_TL: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, LOOK_BITS) +-1: a product of two rows is the number of equal bits less that of different ones."""
    return np.unpackbits(look_TL, axis=1).astype(np.float32) * 2 - 1


def _links(
    tracks: _Tracks, frames_V: NDArray[Any], matches: Iterable[tuple[int, int, float]]
) -> dict[tuple[int, int], float]:
    """Pairs of videos of which enough frames look alike, and the least difference of their tracks."""
    found: defaultdict[tuple[int, int], list[tuple[int, int, float]]] = defaultdict(list)
    for one, other, difference in matches:
        low, high = sorted((one, other), key=lambda track: int(tracks.video_T[track]))
        found[int(tracks.video_T[low]), int(tracks.video_T[high])].append((low, high, difference))
    links = {}
    for pair, alike in found.items():
        ones, others, differences = zip(*alike, strict=True)
        shares = [
            tracks.frames_T[list(set(mine))].sum() / frames_V[video]
            for mine, video in zip((ones, others), pair, strict=True)
        ]
        if min(shares) >= LEAST_SHARE:
            links[pair] = min(differences)
    return links


def _connected(links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of videos that hang together, each sorted, in the order of their first ones."""
    beside: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in links:
        beside[one].add(other)
        beside[other].add(one)
    groups: list[list[int]] = []
    seen: set[int] = set()
    for first in sorted(beside):
        group, todo = set(), [first]
        while todo:
            video = todo.pop()
            if video not in seen:
                seen.add(video)
                group.add(video)
                todo += beside[video]
        if group:
            groups.append(sorted(group))
    return groups
