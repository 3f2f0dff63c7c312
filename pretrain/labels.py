"""AU labels of a shard set's rows, and sampled frames with their labels.

Axes: F frames, T frames of a row, A AUs.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.sampled import SampledFrames, read_sampled, spread_frames
from shards.reader import ClipReader
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet

Labels = NDArray[np.int8]


@dataclass(frozen=True)
class LabelledFrames:
    """Sampled frames with intensities 0-5 or occurrence 0/1, -1 where nobody coded."""

    frames: SampledFrames
    aus: tuple[int, ...]
    label_FA: Labels

    def only(self, places: NDArray[np.int64]) -> "LabelledFrames":
        """Some of them."""
        return LabelledFrames(self.frames.only(places), self.aus, self.label_FA[places])


def read_member(tracks: TrackSet, rows: Iterable[int], member: str, threads: int = 4) -> dict[int, Labels]:
    """Labels `(T, A)` as stored under a member name, of each row that has any; reads no pixels.

    Raises:
        ShardError: a label member cannot be read or does not match its CRC.
    """
    reader = ClipReader(tracks, StreamConfig(), StreamCounters())
    chosen = [int(row) for row in rows]
    with ThreadPoolExecutor(threads) as pool:
        found = zip(chosen, pool.map(lambda row: reader.label(row, member), chosen), strict=True)
        return {row: label_TA for row, label_TA in found if label_TA is not None}


def read_labelled_frames(tracks: TrackSet, rows: Sequence[int], member: str, count: int) -> LabelledFrames:
    """About `count` frames of the rows that have labels, evenly spread over their videos.

    At least two of each video; frames that cannot be read are left out.

    Raises:
        ShardError: none of the rows has labels, a label is damaged, or no frame could be read.
    """
    labelled_N = tracks.labelled(member)
    chosen = [int(row) for row in rows if labelled_N[row]]
    per_video = max(2, count // max(1, len({tracks.videos[row] for row in chosen})))
    frames = read_sampled(tracks, spread_frames(tracks, chosen, per_video))
    labels = read_member(tracks, sorted(set(frames.row_F)), member)
    label_FA = np.stack([labels[row][place] for row, place in zip(frames.row_F, frames.place_F, strict=True)])
    return LabelledFrames(frames, tuple(tracks.aus_of(member)), label_FA)
