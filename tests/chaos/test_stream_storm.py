"""The stream over a store that fails: the same frames in the same batches, and memory that does not grow."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import theilslopes

from shards.batch import DEFAULT_CLIP
from shards.order import OrderRequest, order
from shards.plan import Plan
from shards.stream import stream_clips
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import load_tracks
from tests.chaos.conftest import FaultyStore
from tests.chaos.faults import PASSING, Fault, Faults
from tests.chaos.soak import PLAIN_MALLOC
from tests.drawn_set import write_set

QUICK = tuple(
    fault
    for fault in PASSING
    if fault not in (Fault.STALL_BEFORE, Fault.STALL_WITHIN, Fault.TRICKLE, Fault.WHOLE_OBJECT)
)
DAMAGE = (*QUICK, Fault.WRONG_BYTE)
STEPS, BATCH = 12, 12
RANKS, WORKERS = (1, 2, 3, 4, 6), (0, 1, 2, 4)
SOAK_SECONDS = 600.0


@pytest.fixture
def drawn(faulty_store: FaultyStore, tmp_path: Path) -> FaultyStore:
    """A set of 36 samples of 18 people in the store."""
    write_set(faulty_store.url, tmp_path / "tars", people=18, frames=48, units=4, size=32)
    faulty_store.proxy.reset_counts()
    return faulty_store


def ordered(url: str, ranks: int, workers: int, steps: range) -> list[dict[str, Any]]:
    return list(order(OrderRequest(url, BATCH, ranks, workers, steps.start, len(steps), seed=3)))


def test_faults_change_neither_frames_nor_batches(drawn: FaultyStore) -> None:
    wanted = ordered(drawn.url, 1, 2, range(STEPS))
    drawn.proxy.set(Faults(DAMAGE, share=0.2, seed=1, only="shards/", after_bytes=700))
    assert ordered(drawn.url, 2, 2, range(STEPS)) == wanted
    assert sum(drawn.proxy.counts().faults.values()) > 20


def test_what_is_damaged_for_good_is_left_out_and_named(drawn: FaultyStore) -> None:
    tracks = load_tracks(drawn.url)
    gone = tracks.shards[5]
    drawn.proxy.set(Faults((Fault.MISSING,), share=1.0, only=gone))
    counters = StreamCounters()
    plan = Plan(tracks, DEFAULT_CLIP, BATCH)
    stream = stream_clips(tracks, plan, StreamConfig(), counters)
    slots = [
        (clips.provenance_B[slot], bool(clips.valid_B[slot]))
        for _, (_, clips) in zip(range(3), stream, strict=False)
        for slot in range(BATCH)
    ]
    assert {name for name, valid in slots if not valid} == {name for name, _ in slots if gone in name}
    assert all("does not exist" in reason for reason in counters.quarantined.values())


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_any_ranks_and_workers_go_on_from_any_others_in_a_storm(drawn: FaultyStore) -> None:
    wanted = ordered(drawn.url, 1, 2, range(STEPS))
    shapes = list(product(RANKS, WORKERS))
    for number, (ranks, workers) in enumerate(shapes):
        assert ordered(drawn.url, ranks, workers, range(STEPS)) == wanted
        after = shapes[(7 * number + 3) % len(shapes)]
        stop = 1 + number % (STEPS - 1)
        drawn.proxy.set(Faults(DAMAGE, share=0.1, seed=number, only="shards/", after_bytes=500))
        before = ordered(drawn.url, ranks, workers, range(stop))
        assert before + ordered(drawn.url, *after, range(stop, STEPS)) == wanted
        drawn.proxy.clear()
    assert sum(drawn.proxy.counts().faults.values()) > 500


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_ten_minutes_of_streaming_take_no_more_memory(drawn: FaultyStore) -> None:
    """The slope after a minute stays below 0.1 MB a minute.

    It is the median of the slopes between any two times (Theil and Sen): a table that doubles once is a step,
    and no slope; what is lost again and again is one.
    """
    drawn.proxy.set(Faults(QUICK, share=0.01, seed=1, only="shards/", after_bytes=500))
    command = [sys.executable, "-m", "tests.chaos.soak", drawn.url, str(BATCH), str(SOAK_SECONDS)]
    soak = subprocess.run(command, env=os.environ | PLAIN_MALLOC, capture_output=True, text=True, check=True)
    minutes, megabytes = np.array([line.split() for line in soak.stdout.splitlines()], float).T
    late = minutes > 1
    slope, _, lowest, highest = theilslopes(megabytes[late], minutes[late])
    assert abs(slope) < 0.1, f"{slope:.3f} MB a minute, [{lowest:.3f}, {highest:.3f}]"
