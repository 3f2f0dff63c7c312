"""From a plan to uint8 batches: named stages, composed in a `webdataset` pipeline.

    planned_batches   (step, this rank's PlannedClips)             shards.plan
    fetch             + the bytes of their frames and labels       ranged reads, verified by CRC
    decode            -> (step, ClipBatch)                         JPEG into one preallocated array, threaded

Each stage works a few batches ahead of the next. From a store, threads of its own fetch; from a local disk,
the threads that decode do (`StreamConfig.fetch_threads`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import webdataset as wds
from numpy.typing import NDArray

from shards.ahead import Bound, ahead, workers
from shards.batch import ClipBatch
from shards.buffers import Buffers
from shards.mix import MixReader
from shards.plan import BatchPlan, PlannedClip
from shards.reader import ClipBytes, Reader
from shards.schema import INTENSITY_MEMBER, MISSING, OCCURRENCE_MEMBER
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet

PLANNED_AHEAD = 64
"""Batches: the index of the next window is read while those before it are on their way."""


class Fetching(NamedTuple):
    """A step's clips and their bytes, which are perhaps still on their way."""

    step: int
    clips: list[PlannedClip]
    reads: list[Future[ClipBytes]]


def planned_batches(
    plan: BatchPlan,
    start_step: int,
    rank: int,
    size: int,
    config: StreamConfig,
    counters: StreamCounters,
) -> Callable[[], Iterator[tuple[int, list[PlannedClip]]]]:
    """First stage: this rank's clips of each step from `start_step` on, planned ahead in a thread."""

    def steps() -> Iterator[int]:
        step = start_step
        while plan.last_step is None or step < plan.last_step:
            yield step
            step += 1

    def share(step: int) -> list[PlannedClip]:
        start = monotonic()
        clips = plan.share(step, rank, size)
        counters.add(plan_seconds=monotonic() - start)
        return clips

    def source() -> Iterator[tuple[int, list[PlannedClip]]]:
        with workers("plan", min(config.threads, 1)) as pool:
            bound = Bound(PLANNED_AHEAD if config.threads else 0)
            for step, (clips,) in ahead(steps(), lambda step: [pool.submit(share, step)], bound):
                yield step, clips.result()

    return source


def fetch(reader: Reader) -> Callable[[Iterable[Any]], Iterator[Fetching]]:
    """Second stage: read the bytes of the batches ahead."""
    config = reader.config

    def stage(batches: Iterable[tuple[int, list[PlannedClip]]]) -> Iterator[Fetching]:
        with workers("fetch", config.fetchers) as pool:

            def begin(item: tuple[int, list[PlannedClip]]) -> list[Future[ClipBytes]]:
                return [pool.submit(reader.fetch, clip) for clip in item[1]]

            def weigh(item: tuple[int, list[PlannedClip]]) -> float:
                return math.prod(_shape(reader, item[1]))

            bound = config.bound if config.fetchers else Bound(0)
            for (step, clips), reads in ahead(batches, begin, bound, weigh):
                yield Fetching(step, clips, reads)

    return stage


def decode(reader: Reader) -> Callable[[Iterable[Any]], Iterator[tuple[int, ClipBatch]]]:
    """Third stage: decode each batch into one array; in threads, as the decoder releases the interpreter."""
    config = reader.config

    def one(coming: Future[ClipBytes], frames_THWC: NDArray[np.uint8]) -> tuple[ClipBytes, bool]:
        read = coming.result()
        return read, reader.decode_into(read, frames_THWC)

    def stage(batches: Iterable[Fetching]) -> Iterator[tuple[int, ClipBatch]]:
        buffers = Buffers()
        with workers("decode", config.threads) as pool:

            def begin(item: tuple[Fetching, NDArray[np.uint8]]) -> list[Future[tuple[ClipBytes, bool]]]:
                slots = zip(item[0].reads, item[1], strict=True)
                return [pool.submit(one, read, frames_THWC) for read, frames_THWC in slots]

            with_memory = ((batch, buffers.array(_shape(reader, batch.clips))) for batch in batches)
            for (batch, frames), decoded in ahead(with_memory, begin, config.bound, _bytes_of_frames):
                reads, valid = zip(*(slot.result() for slot in decoded), strict=True)
                yield batch.step, _batch(reader, reads, frames, np.array(valid, bool))

    return stage


def _shape(reader: Reader, clips: Sequence[PlannedClip]) -> tuple[int, ...]:
    return len(clips), len(clips[0].frames_T), reader.size, reader.size, 3


def _bytes_of_frames(item: tuple[Fetching, NDArray[np.uint8]]) -> float:
    return item[1].nbytes


def _batch(
    reader: Reader, reads: Sequence[ClipBytes], frames: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> ClipBatch:
    clips, facts = [read.clip for read in reads], [read.facts for read in reads]
    index_BT = np.stack([clip.frames_T for clip in clips])
    return ClipBatch(
        position_B=np.array([clip.position for clip in clips], np.int64),
        augment_seed_B=np.array([clip.augment_seed for clip in clips], np.int64),
        frames_BTHWC=frames,
        frame_valid_BT=(index_BT >= 0) & valid[:, None],
        time_BT=np.stack([one.time_seconds_T for one in facts]),
        frame_index_BT=index_BT,
        frame_key_BT=[one.frame_key_T for one in facts],
        identity_B=np.array([one.identity for one in facts], np.int64),
        valid_B=valid,
        key_B=[one.key for one in facts],
        provenance_B=[one.provenance for one in facts],
        activity_B=[one.activity for one in facts],
        expression_B=[one.expression for one in facts],
        occurrence_BTA=_labels(reader, reads, OCCURRENCE_MEMBER),
        intensity_BTA=_labels(reader, reads, INTENSITY_MEMBER),
    )


def _labels(reader: Reader, reads: Sequence[ClipBytes], name: str) -> NDArray[np.int8] | None:
    aus = reader.aus_of(name)
    if not aus:
        return None
    labels_BTA = np.full((len(reads), len(reads[0].clip.frames_T), len(aus)), MISSING, np.int8)
    for slot, read in enumerate(reads):
        if name in read.labels_TA:
            labels_BTA[slot] = read.labels_TA[name]
    return labels_BTA


def clip_pipeline(
    reader: Reader, plan: BatchPlan, start_step: int = 0, rank: int = 0, size: int = 1
) -> wds.DataPipeline:
    """The pipeline that training runs; add stages to it, or take its first ones alone."""
    planned = planned_batches(plan, start_step, rank, size, reader.config, reader.counters)
    return wds.DataPipeline(planned, fetch(reader), decode(reader))


def stream_clips(
    tracks: TrackSet | Sequence[TrackSet],
    plan: BatchPlan,
    config: StreamConfig | None = None,
    counters: StreamCounters | None = None,
    start_step: int = 0,
    rank: int = 0,
    size: int = 1,
) -> Iterator[tuple[int, ClipBatch]]:
    """Steps and this rank's batches in plan order, from `start_step` on: O(1), nothing is replayed.

    Args:
        tracks: the set, or the sets of a `MixedPlan` in its order.
        plan: which clips.
        config: how they are read.
        counters: what is counted meanwhile.
        start_step: the first step.
        rank: whose share of each batch.
        size: how many ranks share it.
    """
    config, counters = config or StreamConfig(), counters or StreamCounters()
    sets = [tracks] if isinstance(tracks, TrackSet) else tracks
    reader = MixReader(sets, config, counters)
    batches = iter(clip_pipeline(reader, plan, start_step, rank, size))
    while True:
        start = monotonic()
        item = next(batches, None)
        counters.add(wait_seconds=monotonic() - start)
        if item is None:
            return
        yield item
