"""From a plan to uint8 batches: named stages, composed in a `webdataset` pipeline.

    planned_batches   (step, this rank's PlannedClips)             shards.plan
    fetch             + the bytes of their frames and labels       ranged reads in threads, verified by CRC
    decode            -> (step, ClipBatch)                         JPEG into one preallocated array, threaded

Both stages read ahead by a few batches; each holds bytes, not decoded frames, until the last moment.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar

import numpy as np
import webdataset as wds
from numpy.typing import NDArray

from shards.batch import ClipBatch
from shards.buffers import Buffers
from shards.mix import MixReader
from shards.plan import BatchPlan, PlannedClip
from shards.reader import ClipBytes, Reader, StreamConfig, StreamCounters
from shards.schema import INTENSITY_MEMBER, MISSING, OCCURRENCE_MEMBER
from shards.tracks import TrackSet

PLANNED_AHEAD = 64
"""Batches: the index of the next window is read while those before it are on their way."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class AtOnce(Executor):
    """Does what it is given in the thread that gives it."""

    def submit(self, fn: Callable[..., _R], /, *args: Any, **kwargs: Any) -> Future[_R]:
        """Errors come out here, not from the future."""
        future: Future[_R] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _workers(config: StreamConfig, stage: str, threads: int) -> Executor:
    return ThreadPoolExecutor(threads, thread_name_prefix=stage) if config.threads else AtOnce()


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
        with _workers(config, "plan", 1) as pool:
            ahead = PLANNED_AHEAD if config.threads else 0
            for step, (clips,) in _ahead(steps(), lambda step: [pool.submit(share, step)], ahead):
                yield step, clips

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


def _depth(config: StreamConfig) -> int:
    return config.read_ahead if config.threads else 0


def fetch(reader: Reader) -> Callable[[Iterable[Any]], Iterator[tuple[int, list[ClipBytes]]]]:
    """Second stage: read the bytes of the batches ahead."""

    def stage(batches: Iterable[tuple[int, list[PlannedClip]]]) -> Iterator[tuple[int, list[ClipBytes]]]:
        with _workers(reader.config, "fetch", reader.config.fetch_threads) as pool:

            def submit(item: tuple[int, list[PlannedClip]]) -> list[Future[ClipBytes]]:
                return [pool.submit(reader.fetch, clip) for clip in item[1]]

            for (step, _), read in _ahead(batches, submit, _depth(reader.config)):
                yield step, read

    return stage


def decode(reader: Reader) -> Callable[[Iterable[Any]], Iterator[tuple[int, ClipBatch]]]:
    """Third stage: decode each batch into one array; in threads, as the decoder releases the interpreter."""

    def stage(batches: Iterable[tuple[int, list[ClipBytes]]]) -> Iterator[tuple[int, ClipBatch]]:
        buffers = Buffers()
        with _workers(reader.config, "decode", reader.config.threads) as pool:

            def submit(item: tuple[int, list[ClipBytes]]) -> list[Future[Any]]:
                frames_of_clip = len(item[1][0].clip.frames_T)
                frames = buffers.array((len(item[1]), frames_of_clip, reader.size, reader.size, 3))
                decoded = [
                    pool.submit(reader.decode_into, read, frames[slot]) for slot, read in enumerate(item[1])
                ]
                return [pool.submit(lambda: frames), *decoded]

            for (step, reads), (frames, *valid) in _ahead(batches, submit, _depth(reader.config)):
                yield step, _batch(reader, reads, frames, np.array(valid, bool))

    return stage


def _batch(
    reader: Reader, reads: list[ClipBytes], frames: NDArray[np.uint8], valid: NDArray[np.bool_]
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
        occurrence_BTA=_labels(reader, reads, OCCURRENCE_MEMBER),
        intensity_BTA=_labels(reader, reads, INTENSITY_MEMBER),
    )


def _labels(reader: Reader, reads: list[ClipBytes], name: str) -> NDArray[np.int8] | None:
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
