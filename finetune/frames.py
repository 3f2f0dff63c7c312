"""Run a model over whole tracks, each frame once, with state carried from piece to piece.

Axes: B pieces, T frames of a piece, F frames of all tracks, A values per frame.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.targets import Target
from pretrain.augment import PLAIN, augment
from pretrain.labels import Labels
from shards.batch import ClipBatch, ClipSpec
from shards.errors import ShardError
from shards.evaluation import EvaluationPlan
from shards.stream import stream_clips
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet

Apply = Callable[[Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor | None]]
"""`(frames_BTCHW, num_frames_B, state) -> (values (B, T, ...), state)`, as `AuModel.infer`."""


@dataclass(frozen=True)
class FrameTable:
    """One entry per frame that could be read; nothing padded, nothing twice."""

    person_F: list[str]
    key_F: list[str]
    frame_index_F: NDArray[np.int64]
    time_seconds_F: NDArray[np.float64]
    label_FA: Labels
    value_F: NDArray[np.float32]
    """`(F, ...)`: whatever was computed."""
    unreadable: dict[str, str]
    """Samples that gave nothing, by place in storage, with the reason."""

    def __len__(self) -> int:
        return len(self.key_F)


def rounds_of(tracks: TrackSet, rows: Sequence[int]) -> list[list[int]]:
    """Rows grouped so that round r holds the r-th piece of each run: a round is one batchable time step."""
    runs: dict[int, list[int]] = defaultdict(list)
    for row, first in runs_of(tracks, rows).items():
        runs[first].append(row)
    longest = max((len(run) for run in runs.values()), default=0)
    return [[run[r] for run in runs.values() if r < len(run)] for r in range(longest)]


def runs_of(tracks: TrackSet, rows: Sequence[int]) -> dict[int, int]:
    """Each row with the row that its run begins with, in the order of time within a track.

    A run is pieces of a track without a gap; packing leaves out pieces that are not good enough.
    """
    first: dict[int, int] = {}
    row_at: dict[tuple[str, int, int], int] = {}
    for row in sorted(map(int, rows), key=lambda row: int(tracks.piece[row])):
        video, track, piece = tracks.videos[row], int(tracks.track[row]), int(tracks.piece[row])
        before = row_at.get((video, track, piece - 1))
        first[row] = row if before is None else first[before]
        row_at[video, track, piece] = row
    return first


def run_frames(
    apply: Apply,
    tracks: TrackSet,
    rows: Sequence[int],
    target: Target,
    *,
    image_size: int,
    batch: int = 8,
    stream: StreamConfig | None = None,
) -> FrameTable:
    """Apply a model to every frame of `rows`, without augmentation or gradients.

    Memory: the values of all frames, and the pixels of a few batches.

    Raises:
        ShardError: no row could be read.
    """
    row_of = {tracks.keys[row]: int(row) for row in rows}
    counters = StreamCounters()
    run_of = runs_of(tracks, rows)
    states: dict[int, Tensor] = {}
    parts: list[tuple[ClipBatch, NDArray[np.float32]]] = []
    with torch.no_grad():
        for clips in _batches(tracks, rows, batch, stream, counters):
            runs = [run_of[row_of[key]] for key in clips.key_B]
            values, state = apply(_pixels(clips, image_size), _num_frames(clips), _gather(states, runs))
            if state is not None:
                states.update(zip(runs, state.unbind(0), strict=True))
            kept = clips.frame_valid_BT
            parts.append((_without_pixels(clips), values.cpu().numpy().astype(np.float32)[kept]))
    if not parts:
        raise ShardError(f"{tracks.url}: no rows to read")
    return _table(tracks, row_of, parts, target, counters.quarantined)


def _batches(
    tracks: TrackSet,
    rows: Sequence[int],
    batch: int,
    stream: StreamConfig | None,
    counters: StreamCounters,
) -> Iterator[ClipBatch]:
    longest = int(tracks.num_frames[list(rows)].max())
    for same_time in rounds_of(tracks, rows):
        plan = EvaluationPlan(tracks, ClipSpec(longest, whole=True), batch, rows=same_time)
        for _, clips in stream_clips(tracks, plan, stream, counters):
            # Short pieces are cut to the longest of their batch: empty slots cost as much as frames.
            yield _cut(clips, max(1, int(clips.frame_valid_BT.sum(axis=1).max())))


def _cut(clips: ClipBatch, length: int) -> ClipBatch:
    return replace(
        clips,
        frames_BTHWC=clips.frames_BTHWC[:, :length],
        frame_valid_BT=clips.frame_valid_BT[:, :length],
        time_BT=clips.time_BT[:, :length],
        frame_index_BT=clips.frame_index_BT[:, :length],
        frame_key_BT=[keys[:length] for keys in clips.frame_key_BT],
        occurrence_BTA=None if clips.occurrence_BTA is None else clips.occurrence_BTA[:, :length],
        intensity_BTA=None if clips.intensity_BTA is None else clips.intensity_BTA[:, :length],
    )


def _without_pixels(clips: ClipBatch) -> ClipBatch:
    return replace(clips, frames_BTHWC=np.zeros((0, 0, 0, 0, 3), np.uint8))


def _pixels(clips: ClipBatch, image_size: int) -> Tensor:
    return augment(torch.from_numpy(clips.frames_BTHWC), clips.augment_seed_B, 0, image_size, PLAIN)


def _num_frames(clips: ClipBatch) -> Tensor:
    return torch.from_numpy(clips.frame_valid_BT.sum(axis=1).astype(np.int64))


def _gather(states: dict[int, Tensor], runs: list[int]) -> Tensor | None:
    if not states:
        return None
    empty = torch.zeros_like(next(iter(states.values())))
    return torch.stack([states.get(run, empty) for run in runs])


def _table(
    tracks: TrackSet,
    row_of: dict[str, int],
    parts: list[tuple[ClipBatch, NDArray[np.float32]]],
    target: Target,
    unreadable: dict[str, str],
) -> FrameTable:
    keys = [
        key
        for clips, _ in parts
        for key, kept in zip(clips.key_B, clips.frame_valid_BT.sum(axis=1), strict=True)
        for _ in range(int(kept))
    ]
    if not keys:
        raise ShardError(f"none of the {len(row_of)} samples could be read: {list(unreadable.items())[:3]}")
    return FrameTable(
        person_F=[tracks.identities[row_of[key]] for key in keys],
        key_F=keys,
        frame_index_F=np.concatenate([clips.frame_index_BT[clips.frame_valid_BT] for clips, _ in parts]),
        time_seconds_F=np.concatenate([clips.time_BT[clips.frame_valid_BT] for clips, _ in parts]),
        label_FA=np.concatenate([target.of_batch(clips)[clips.frame_valid_BT] for clips, _ in parts]),
        value_F=np.concatenate([values for _, values in parts]),
        unreadable=dict(unreadable),
    )
