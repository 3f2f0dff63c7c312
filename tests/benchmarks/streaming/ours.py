"""Our own side, in a process of its own; every use of the loader's interface stands here.

python -m tests.benchmarks.streaming.ours read '{"side": "facscale", ...}'
python -m tests.benchmarks.streaming.ours fetch URL THREADS RANGE_BYTES
python -m tests.benchmarks.streaming.ours amounts URL BATCH STEPS
python -m tests.benchmarks.streaming.ours start URL STEP BATCH
    python -m tests.benchmarks.streaming.ours plan URL BATCH SAMPLES
    python -m tests.benchmarks.streaming.ours upload FOLDER URL

`shards.stream` imports torch by way of webdataset: what does not stream does without.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from shards import storage
from shards.batch import ClipSpec
from shards.evaluation import EvaluationPlan
from shards.plan import Plan
from shards.policies import DistinctIdentity
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet, load_tracks
from tests.benchmarks.memory import peak_bytes
from tests.benchmarks.streaming.measure import Ask, answer, cpu_seconds

SEED = 0


def first_frames(url: str, frames: int, batch: int) -> dict[str, int]:
    """The first frame of each sample's clip in the first epoch of the plan that `read` streams."""
    tracks = load_tracks(url)
    plan = Plan(tracks, ClipSpec(frames), batch, SEED)
    found: dict[str, int] = {}
    for step in range(-(-len(tracks) // batch)):
        for clip in plan.batch(step):
            found.setdefault(tracks.key(clip.row), int(clip.frames_T[0]))
    return found


def read(ask: Ask) -> dict[str, Any]:
    clips = len(json.loads(Path(ask.clips).read_text()))
    return answer(ask, _batches(ask), clips)


def _batches(ask: Ask) -> Iterator[tuple[list[str], NDArray[Any]]]:
    from shards.stream import stream_clips

    tracks = load_tracks(ask.source)
    plan = Plan(tracks, ClipSpec(ask.frames), ask.batch, SEED)
    for _, clips in stream_clips(tracks, plan, _config(ask.workers, ask.fetch_threads), StreamCounters()):
        yield clips.key_B, clips.frames_BTHWC


def _config(threads: int, fetch_threads: int) -> StreamConfig:
    config = StreamConfig(threads=threads)
    return replace(config, fetch_threads=fetch_threads) if fetch_threads else config


def fetch(url: str, threads: int, range_bytes: int) -> dict[str, float]:
    """Read ranges of the set and do nothing with them: the frames of each sample, or parts of the shards."""
    tracks = load_tracks(url)
    ranges = _parts(tracks, range_bytes) if range_bytes else _samples(tracks)
    longest = max(length for _, _, length in ranges)
    of_thread = threading.local()

    def read(wanted: tuple[str, int, int]) -> int:
        if not hasattr(of_thread, "buffer"):
            of_thread.buffer = memoryview(bytearray(longest))
        source, begin, length = wanted
        storage.read_into(source, begin, of_thread.buffer[:length])
        return length

    read(ranges[0])  # connects
    cpu_start, start = cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(read, ranges))
    return {
        "bytes": total,
        "wall_seconds": time.perf_counter() - start,
        "cpu_seconds": cpu_seconds() - cpu_start,
    }


def _samples(tracks: TrackSet) -> list[tuple[str, int, int]]:
    found = []
    for row in range(len(tracks)):
        offset_T, length_T, _ = tracks.frame_places(row)
        shard = tracks.provenance(row).partition("#")[0]
        found.append((shard, int(offset_T[0]), int(length_T.sum())))
    return found


def _parts(tracks: TrackSet, range_bytes: int) -> list[tuple[str, int, int]]:
    return [
        (storage.join(tracks.url, shard.name), start, min(range_bytes, shard.bytes - start))
        for shard in tracks.manifest.shards
        for start in range(0, shard.bytes, range_bytes)
    ]


def amounts(url: str, batch: int, steps: int) -> dict[str, dict[str, float]]:
    """Bytes and requests of `steps` batches of CLP's default clip, and of every sample as a whole."""
    from shards.batch import DEFAULT_CLIP
    from shards.stream import stream_clips

    tracks = load_tracks(url)
    longest = int(tracks.num_frames.max())
    plans = {
        "CLP's default clip": Plan(tracks, DEFAULT_CLIP, batch, SEED, DistinctIdentity()),
        "whole samples": EvaluationPlan(tracks, ClipSpec(longest, whole=True), batch),
    }
    found = {}
    for name, plan in plans.items():
        counters, clips = StreamCounters(), 0
        for _, batch_read in islice(stream_clips(tracks, plan, _config(2, 0), counters), steps):
            clips += len(batch_read)
        found[name] = {
            "clips": clips,
            "requests_per_clip": counters.requests / clips,
            "bytes_fetched": counters.bytes_fetched,
            "bytes_decoded": counters.bytes_decoded,
        }
    return found


def start(url: str, step: int, batch: int) -> dict[str, float]:
    """From nothing but the imports to the first batch of a run that goes on at `step`."""
    from shards.batch import DEFAULT_CLIP
    from shards.stream import stream_clips

    begin, counters = time.perf_counter(), StreamCounters()
    tracks = load_tracks(url)
    loaded = time.perf_counter()
    plan = Plan(tracks, DEFAULT_CLIP, batch, SEED, DistinctIdentity())
    found, _ = next(stream_clips(tracks, plan, _config(2, 0), counters, start_step=step))
    if found != step:
        raise RuntimeError(f"the stream begins at step {found}, wanted {step}")
    end = time.perf_counter()
    shards = tracks.manifest.shards
    return {
        "step": step,
        "seconds": end - begin,
        "load_seconds": loaded - begin,
        "requests": counters.requests,
        "bytes_fetched": counters.bytes_fetched,
        "shard_bytes": sum(entry.bytes for entry in shards) / len(shards),
        "peak_bytes": peak_bytes(),
    }


def plan(url: str, batch: int, samples: int) -> dict[str, float]:
    """Open a set, plan its first batch and then `samples` samples; nothing of a shard is read."""
    from shards.batch import DEFAULT_CLIP

    imported_bytes, begin = peak_bytes(), time.perf_counter()
    tracks = load_tracks(url)
    planned = Plan(tracks, DEFAULT_CLIP, batch, SEED, DistinctIdentity())
    planned.batch(0)
    first_seconds, cpu_start = time.perf_counter() - begin, time.process_time()
    steps = range(1, 1 + samples // batch)
    for step in steps:
        planned.batch(step)
    return {
        "rows": len(tracks),
        "units": len(tracks.rows_U),
        "first_seconds": first_seconds,
        "cpu_microseconds_per_sample": 1e6 * (time.process_time() - cpu_start) / (len(steps) * batch),
        "imported_bytes": imported_bytes,
        "peak_bytes": peak_bytes(),
    }


def upload(folder: Path, url: str) -> None:
    """Copy a finished set into a store."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        storage.write_file(storage.join(url, path.relative_to(folder).as_posix()), path)


def main(words: list[str]) -> None:
    match words:
        case ["read", ask]:
            found: Any = read(Ask(**json.loads(ask)))
        case ["clips", url, frames, batch]:
            found = first_frames(url, int(frames), int(batch))
        case ["fetch", url, threads, range_bytes]:
            found = fetch(url, int(threads), int(range_bytes))
        case ["amounts", url, batch, steps]:
            found = amounts(url, int(batch), int(steps))
        case ["start", url, step, batch]:
            found = start(url, int(step), int(batch))
        case ["plan", url, batch, samples]:
            found = plan(url, int(batch), int(samples))
        case ["upload", folder, url]:
            found = upload(Path(folder), url)
        case _:
            raise ValueError(f"found {words}, wanted one of the commands at the top of {__file__}")
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
