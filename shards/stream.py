"""From a plan to uint8 batches: named stages, composed in a `webdataset` pipeline.

    planned_batches   (step, this rank's PlannedClips)             shards.plan
    fetch             + the bytes of their frames and labels       ranged reads in threads, verified by CRC
    decode            -> (step, ClipBatch)                         JPEG into one preallocated array, threaded

Both stages read ahead by a few batches; each holds bytes, not decoded frames, until the last moment.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar

import numpy as np
import webdataset as wds
from numpy.typing import NDArray

from shards.batch import ClipBatch
from shards.plan import BatchPlan, PlannedClip, share_of
from shards.reader import ClipBytes, ClipReader, StreamConfig, StreamCounters
from shards.schema import INTENSITY_MEMBER, MISSING, OCCURRENCE_MEMBER
from shards.tracks import TrackSet

_T = TypeVar("_T")
_R = TypeVar("_R")


def planned_batches(
    plan: BatchPlan, start_step: int, rank: int, size: int
) -> Callable[[], Iterator[tuple[int, Sequence[PlannedClip]]]]:
    """First stage: this rank's clips of each step from `start_step` on."""

    def source() -> Iterator[tuple[int, Sequence[PlannedClip]]]:
        step = start_step
        while plan.last_step is None or step < plan.last_step:
            yield step, share_of(plan.batch(step), rank, size)
            step += 1

    return source


def _ahead(
    items: Iterable[_T], submit: Callable[[_T], list[Future[_R]]], depth: int
) -> Iterator[tuple[_T, list[_R]]]:
    """Keep `depth` items submitted before the one that is yielded."""
    pending: deque[tuple[_T, list[Future[_R]]]] = deque()
    try:
        for item in items:
            pending.append((item, submit(item)))
            if len(pending) > depth:
                done, futures = pending.popleft()
                yield done, [future.result() for future in futures]
        while pending:
            done, futures = pending.popleft()
            yield done, [future.result() for future in futures]
    finally:
        for _, futures in pending:
            for future in futures:
                future.cancel()


def fetch(reader: ClipReader) -> Callable[[Iterable[Any]], Iterator[tuple[int, list[ClipBytes]]]]:
    """Second stage: read the bytes of the batches ahead."""

    def stage(batches: Iterable[tuple[int, Sequence[PlannedClip]]]) -> Iterator[tuple[int, list[ClipBytes]]]:
        with ThreadPoolExecutor(reader.config.threads, thread_name_prefix="fetch") as pool:

            def submit(item: tuple[int, Sequence[PlannedClip]]) -> list[Future[ClipBytes]]:
                return [pool.submit(reader.fetch, clip) for clip in item[1]]

            for (step, _), read in _ahead(batches, submit, reader.config.read_ahead):
                yield step, read

    return stage


def decode(reader: ClipReader) -> Callable[[Iterable[Any]], Iterator[tuple[int, ClipBatch]]]:
    """Third stage: decode each batch into one array; in threads, as the decoder releases the interpreter."""

    def stage(batches: Iterable[tuple[int, list[ClipBytes]]]) -> Iterator[tuple[int, ClipBatch]]:
        with ThreadPoolExecutor(reader.config.threads, thread_name_prefix="decode") as pool:

            def submit(item: tuple[int, list[ClipBytes]]) -> list[Future[Any]]:
                frames = _empty_frames(reader, item[1])
                decoded = [
                    pool.submit(reader.decode_into, read, frames[slot]) for slot, read in enumerate(item[1])
                ]
                return [pool.submit(lambda: frames), *decoded]

            for (step, reads), (frames, *valid) in _ahead(batches, submit, reader.config.read_ahead):
                yield step, _batch(reader, reads, frames, np.array(valid, bool))

    return stage


def _empty_frames(reader: ClipReader, reads: list[ClipBytes]) -> NDArray[np.uint8]:
    return np.zeros((len(reads), len(reads[0].clip.frames_T), reader.size, reader.size, 3), np.uint8)


def _batch(
    reader: ClipReader, reads: list[ClipBytes], frames: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> ClipBatch:
    tracks, clips = reader.tracks, [read.clip for read in reads]
    index_BT = np.stack([clip.frames_T for clip in clips])
    time_BT = np.stack([tracks.columns.times(clip.row)[clip.frames_T] for clip in clips])
    rows = [clip.row for clip in clips]
    return ClipBatch(
        position_B=np.array([clip.position for clip in clips], np.int64),
        augment_seed_B=np.array([clip.augment_seed for clip in clips], np.int64),
        frames_BTHWC=frames,
        frame_valid_BT=(index_BT >= 0) & valid[:, None],
        time_BT=np.where(index_BT >= 0, time_BT, np.nan),
        frame_index_BT=index_BT,
        identity_B=tracks.columns.identity[rows],
        valid_B=valid,
        key_B=[tracks.keys[row] for row in rows],
        provenance_B=[reader.provenance(row) for row in rows],
        activity_B=[tracks.activities[row] for row in rows],
        occurrence_BTA=_labels(reads, OCCURRENCE_MEMBER, len(tracks.manifest.occurrence_aus)),
        intensity_BTA=_labels(reads, INTENSITY_MEMBER, len(tracks.manifest.intensity_aus)),
    )


def _labels(reads: list[ClipBytes], name: str, aus: int) -> NDArray[np.int8] | None:
    if not aus:
        return None
    labels_BTA = np.full((len(reads), len(reads[0].clip.frames_T), aus), MISSING, np.int8)
    for slot, read in enumerate(reads):
        if name in read.labels:
            present = read.clip.frames_T >= 0
            labels_BTA[slot, present] = read.labels[name][read.clip.frames_T[present]]
    return labels_BTA


def clip_pipeline(
    tracks: TrackSet,
    plan: BatchPlan,
    config: StreamConfig,
    counters: StreamCounters,
    start_step: int = 0,
    rank: int = 0,
    size: int = 1,
) -> wds.DataPipeline:
    """The pipeline that training runs; add stages to it, or take its first ones alone."""
    reader = ClipReader(tracks, config, counters)
    return wds.DataPipeline(planned_batches(plan, start_step, rank, size), fetch(reader), decode(reader))


def stream_clips(
    tracks: TrackSet,
    plan: BatchPlan,
    config: StreamConfig | None = None,
    counters: StreamCounters | None = None,
    start_step: int = 0,
    rank: int = 0,
    size: int = 1,
) -> Iterator[tuple[int, ClipBatch]]:
    """Steps and this rank's batches in plan order, from `start_step` on: O(1), nothing is replayed."""
    config, counters = config or StreamConfig(), counters or StreamCounters()
    batches = iter(clip_pipeline(tracks, plan, config, counters, start_step, rank, size))
    while True:
        start = monotonic()
        item = next(batches, None)
        counters.add(wait_seconds=monotonic() - start)
        if item is None:
            return
        yield item
