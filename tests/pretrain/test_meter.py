"""The meter: global values from every rank's parts, exact checksums, and a clock that can be stopped."""

import numpy as np
import pytest
import torch

from pretrain import meter as meter_module
from pretrain.flops import FlopCount
from pretrain.meter import Meter, clip_fingerprint, due
from pretrain.world import Alone, Group, World
from shards.batch import ClipBatch
from shards.stream_config import StreamConfig, StreamCounters
from tests.ranks import run_ranks

CLIPS, STEPS = 4, 3
STREAM = StreamConfig(threads=2, fetch_threads=4)
APPLIED = torch.tensor(True)


def clip_batch(step: int, clips: slice = slice(None)) -> ClipBatch:
    frames_BT = np.arange(CLIPS * 3).reshape(CLIPS, 3) + step
    return ClipBatch(
        position_B=(step * CLIPS + np.arange(CLIPS))[clips],
        augment_seed_B=np.zeros(CLIPS, np.int64)[clips],
        frames_BTHWC=np.zeros((CLIPS, 3, 2, 2, 3), np.uint8)[clips],
        frame_valid_BT=np.ones((CLIPS, 3), bool)[clips],
        time_BT=np.zeros((CLIPS, 3))[clips],
        frame_index_BT=frames_BT[clips],
        frame_key_BT=[],
        identity_B=np.arange(CLIPS)[clips],
        valid_B=np.ones(CLIPS, bool)[clips],
        key_B=[f"k{i}" for i in range(CLIPS)][clips],
        provenance_B=[f"url#k{i}" for i in range(CLIPS)][clips],
        activity_B=[None] * CLIPS,
        expression_B=[None] * CLIPS,
        occurrence_BTA=None,
        intensity_BTA=None,
    )


def meter_of(world: World, counters: StreamCounters) -> Meter:
    cpu = torch.device("cpu")
    return Meter(world, cpu, counters, CLIPS, STREAM, FlopCount([], cpu, "float32"))


def metered(world: World, clips: slice) -> list[dict[str, float]]:
    """Two intervals of steps; rank r's parts are r + step, and the second part is there in the last only."""
    counters = StreamCounters()
    meter = meter_of(world, counters)
    found = []
    for interval in range(2):
        counters.add(bytes_fetched=5e6, wait_seconds=1e-4)
        if interval:
            counters.quarantine(f"url#{world.rank}", "gone", 10)
        for step in range(interval * STEPS, (interval + 1) * STEPS):
            parts = {"loss/total": torch.tensor(float(world.rank + step))}
            if step % STEPS == STEPS - 1:
                parts["loss/cross_identity"] = torch.tensor(0.25)
            meter.add(parts, clip_batch(step, clips), step, APPLIED)
        found.append(meter.reduce(1.5, 0.01))
    return found


def on_rank(rank: int) -> list[dict[str, float]]:
    half = CLIPS // 2
    return metered(Group(), slice(rank * half, (rank + 1) * half))


def planned_fingerprint(steps: range) -> int:
    return sum(
        clip_fingerprint(int(position), key, frames_T)
        for step in steps
        for position, key, frames_T in zip(
            clip_batch(step).position_B, clip_batch(step).key_B, clip_batch(step).frame_index_BT, strict=True
        )
    )


def check_common(intervals: list[dict[str, float]]) -> None:
    for number, metrics in enumerate(intervals):
        steps = range(number * STEPS, (number + 1) * STEPS)
        assert metrics["data/order_fingerprint"] == planned_fingerprint(steps)
        assert metrics["data/policy_violations"] == sum(steps) / STEPS
        assert (metrics["optim/gradient_norm"], metrics["optim/learning_rate"]) == (1.5, 0.01)
        assert metrics["memory/peak_mb"] > 10


def test_one_process_gives_averages_over_the_interval():
    intervals = metered(Alone(), slice(None))
    check_common(intervals)
    assert [metrics["loss/total"] for metrics in intervals] == [1.0, 4.0]
    # Parts that are absent from a step do not count as zero.
    assert [metrics["loss/cross_identity"] for metrics in intervals] == [0.25, 0.25]
    assert [metrics["data/unreadable"] for metrics in intervals] == [0, 1]


def test_two_ranks_give_sums_over_ranks_and_the_same_fingerprint():
    ranks = run_ranks(on_rank, 2)
    for intervals in ranks:
        check_common(intervals)
        assert [metrics["loss/total"] for metrics in intervals] == [2 * 1.0 + 1, 2 * 4.0 + 1]
        assert [metrics["loss/cross_identity"] for metrics in intervals] == [0.5, 0.5]
        assert [metrics["data/unreadable"] for metrics in intervals] == [0, 2]
    for one, other in zip(*ranks, strict=True):
        local = {"speed/clips_per_s", "memory/peak_mb"}
        assert {k: v for k, v in one.items() if k not in local} == {
            k: v for k, v in other.items() if k not in local
        }


def test_a_step_without_an_update_is_left_out_of_the_averages():
    meter = meter_of(Alone(), StreamCounters())
    for loss in (1.0, torch.nan, 3.0):
        parts = {"loss/total": torch.tensor(loss)}
        meter.add(parts, clip_batch(0), 0, torch.tensor(loss == loss))
    metrics = meter.reduce(1.5, 0.0)
    assert (metrics["loss/total"], metrics["optim/gradient_norm"]) == (2.0, 1.5)
    meter.add({"loss/total": torch.tensor(torch.nan)}, clip_batch(0), 0, torch.tensor(False))
    metrics = meter.reduce(torch.inf, 0.0)
    assert {"loss/total", "optim/gradient_norm"}.isdisjoint(metrics)
    assert metrics["data/policy_violations"] == 0


def test_where_the_time_and_the_bytes_go(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: now[0])
    counters = StreamCounters()
    meter = meter_of(Alone(), counters)
    for _ in range(2):  # an interval like the one before
        now[0] += 10.0
        counters.add(wait_seconds=4, plan_seconds=1, fetch_seconds=10, decode_seconds=18)
        counters.add(requests=3 * CLIPS, bytes_fetched=2e6 * CLIPS, bytes_decoded=1e6 * CLIPS)
        meter.add({"loss/total": torch.tensor(0.0)}, clip_batch(0), 0, APPLIED)
        metrics = meter.reduce(0.0, 0.0)
        wanted = {
            "data/wait_share": 0.4,
            "data/plan_busy": 0.1,
            "data/fetch_busy": 0.25,
            "data/decode_busy": 0.9,
            "data/requests_per_clip": 3,
            "data/fetched_mb_per_clip": 2,
            "data/fetched_per_decoded": 2,
        }
        assert {name: metrics[name] for name in wanted} == pytest.approx(wanted)


def test_a_fingerprint_beyond_float32_is_exact():
    counters, world = StreamCounters(), Alone()
    meter = meter_of(world, counters)
    steps = range(500)
    for step in steps:
        meter.add({"loss/total": torch.tensor(0.0)}, clip_batch(step), 0, APPLIED)
    wanted = planned_fingerprint(steps)
    assert wanted > 2**40
    assert float(np.float32(wanted)) != wanted
    assert meter.reduce(0.0, 0.0)["data/order_fingerprint"] == wanted


def test_the_fingerprint_tells_position_sample_and_frames_apart():
    found = {
        clip_fingerprint(0, "a", [1, 2]),
        clip_fingerprint(1, "a", [1, 2]),
        clip_fingerprint(0, "b", [1, 2]),
        clip_fingerprint(0, "a", [2, 1]),
        clip_fingerprint(0, "a", [12]),
    }
    assert len(found) == 5
    assert all(0 <= value < 2**32 for value in found)
    assert clip_fingerprint(0, "a", np.array([1, 2])) == clip_fingerprint(0, "a", [1, 2])


def test_paused_time_is_left_out_of_speed_and_waiting(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: now[0])
    counters = StreamCounters()
    meter = meter_of(Alone(), counters)
    for pause in (100.0, 0.0):
        now[0] += 2.0
        counters.add(wait_seconds=0.5, bytes_fetched=6e6)
        meter.add({"loss/total": torch.tensor(0.0)}, clip_batch(0), 0, APPLIED)
        with meter.paused():
            now[0] += pause
        metrics = meter.reduce(0.0, 0.0)
        assert metrics["speed/clips_per_s"] == pytest.approx(CLIPS / 2)
        assert metrics["data/wait_share"] == pytest.approx(0.25)
        assert metrics["data/fetched_mb_per_s"] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("step", "every", "wanted"), [(1, 1, True), (4, 5, False), (5, 5, True), (6, 5, False), (7, 5, True)]
)
def test_due_every_so_often_and_at_the_end(step, every, wanted):
    assert due(step, every, last=7) is wanted
