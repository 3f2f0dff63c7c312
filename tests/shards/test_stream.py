"""Streaming: the planned frames, bit for bit, for any ranks and threads; damage is counted, never silent."""

import hashlib
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from shards import storage
from shards.batch import ClipSpec
from shards.errors import ShardError
from shards.evaluation import EvaluationPlan
from shards.plan import Plan, PlannedClip
from shards.policies import DistinctIdentity
from shards.reader import ClipBytes, ClipReader
from shards.stream import clip_pipeline, decode, fetch, planned_batches, stream_clips
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import load_tracks
from tests.drawn_set import AUS, expression_of, write_set

SPEC = ClipSpec(5, (0.08, 0.12), extra_frames=1)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_set(str(folder / "set"), folder / "tars", labelled=True)
    return str(folder / "set")


def global_stream(
    url: str, steps: range, ranks: int, threads: int, batch: int = 4
) -> list[tuple[list[str], str]]:
    """Frame names and pixel digest of each global batch, put together from `ranks` readers."""
    tracks = load_tracks(url)
    plan = Plan(tracks, SPEC, batch, seed=5, policy=DistinctIdentity())
    readers = [
        stream_clips(tracks, plan, StreamConfig(threads=threads), None, steps.start, rank, ranks)
        for rank in range(ranks)
    ]
    found = []
    for step in steps:
        parts = [next(reader) for reader in readers]
        assert {number for number, _ in parts} == {step}
        frames = [
            f"{key}#{frame}"
            for _, clips in parts
            for key, index_T in zip(clips.key_B, clips.frame_index_BT, strict=True)
            for frame in index_T
        ]
        pixels = np.concatenate([clips.frames_BTHWC for _, clips in parts])
        found.append((frames, hashlib.sha256(pixels.tobytes()).hexdigest()))
    return found


@pytest.mark.parametrize(("ranks", "threads"), [(1, 1), (2, 2), (4, 3)])
def test_same_global_batches_for_any_ranks_and_threads(drawn, ranks, threads):
    assert global_stream(drawn, range(7), ranks, threads) == global_stream(drawn, range(7), 1, 2)


@pytest.mark.parametrize("start", [1, 4])
def test_resuming_gives_the_rest_of_the_stream(drawn, start):
    assert global_stream(drawn, range(start, 7), 2, 2) == global_stream(drawn, range(7), 1, 1)[start:]


def test_pixels_and_labels_are_those_of_the_planned_frames(drawn):
    tracks = load_tracks(drawn)
    plan = Plan(tracks, SPEC, 4, seed=1)
    _, clips = next(stream_clips(tracks, plan))
    for slot, planned in enumerate(plan.batch(0)):
        offset_F, length_F, _ = tracks.frame_places(planned.row)
        for t, frame in enumerate(planned.frames_T):
            shard = storage.join(drawn, tracks.shards[planned.row])
            data = storage.read_range(shard, int(offset_F[frame]), int(length_F[frame]))
            assert np.array_equal(clips.frames_BTHWC[slot, t], simplejpeg.decode_jpeg(data))
        number = int(tracks.keys[planned.row].split("-")[0], 16)
        truth_TA = np.random.default_rng(number).integers(-1, 6, (32, len(AUS)))
        assert np.array_equal(clips.intensity_BTA[slot], truth_TA[planned.frames_T])
        assert clips.expression_B[slot] == expression_of(number)


def test_evaluation_ends_and_shows_every_frame_once(drawn):
    tracks = load_tracks(drawn)
    plan = EvaluationPlan(tracks, ClipSpec(40, whole=True), 5)
    batches = [clips for _, clips in stream_clips(tracks, plan)]
    assert sum(int(clips.frame_valid_BT.sum()) for clips in batches) == tracks.manifest.totals.frames
    assert sum(len(clips) for clips in batches) == len(tracks)


def damaged(drawn: str, tmp_path: Path, shard: int = 0) -> tuple[str, str]:
    """A copy of the set with one shard overwritten in its middle."""
    for name in storage.list_names(drawn):
        storage.write_bytes(str(tmp_path / name), storage.read_bytes(storage.join(drawn, name)))
    name = load_tracks(drawn).manifest.shards[shard].name
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 4 : 3 * len(data) // 4] = bytes(len(data) // 2)
    (tmp_path / name).write_bytes(bytes(data))
    return str(tmp_path), name


def test_damage_makes_slots_invalid_counted_and_named(drawn, tmp_path):
    url, name = damaged(drawn, tmp_path)
    tracks, counters = load_tracks(url), StreamCounters()
    plan = Plan(tracks, SPEC, 4, seed=5)
    reader = stream_clips(tracks, plan, StreamConfig(threads=1, read_ahead=1), counters)
    batches = [next(reader)[1] for _ in range(3)]
    bad = [clips.provenance_B[slot] for clips in batches for slot in np.flatnonzero(~clips.valid_B)]
    assert bad
    assert all(name in provenance for provenance in bad)
    assert set(bad) <= set(counters.quarantined)
    for clips in batches:
        assert not clips.frames_BTHWC[~clips.valid_B].any()
        assert len(clips) == 4


def test_too_much_damage_stops_with_a_clear_line(drawn, tmp_path):
    url, _ = damaged(drawn, tmp_path)
    tracks = load_tracks(url)
    reader = stream_clips(
        tracks, Plan(tracks, SPEC, 4, seed=5), StreamConfig(threads=1, fetch_threads=1, max_unreadable=0)
    )
    with pytest.raises(ShardError, match=r"1 samples could not be read, more than max_unreadable=0.*verify"):
        [next(reader) for _ in range(3)]


def test_unfinished_set_is_refused(tmp_path):
    with pytest.raises(ShardError, match="packing has not finished"):
        load_tracks(str(tmp_path))


def test_a_user_may_add_a_stage_or_take_the_first_ones(drawn):
    tracks = load_tracks(drawn)
    plan, reader = Plan(tracks, SPEC, 4, seed=1), ClipReader(tracks, StreamConfig(), StreamCounters())

    def keys(batches):
        for step, clips in batches:
            yield step, clips.key_B

    pipeline = clip_pipeline(reader, plan)
    added = [next(iter(pipeline.compose(keys)))]
    assert added == [(0, [tracks.key(clip.row) for clip in plan.batch(0)])]
    planned = next(iter(pipeline.pipeline[0]()))
    assert [clip.row for clip in planned[1]] == [clip.row for clip in plan.batch(0)]


class HeldUp:
    """A plan that may be kept from going on."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self.spec, self.last_step = plan, plan.spec, None
        self.waits, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def share(self, step: int, rank: int, size: int) -> list[PlannedClip]:
        if not self.may_go_on.is_set():
            self.waits.set()
            assert self.may_go_on.wait(60)
        return self._plan.share(step, rank, size)


def test_a_stream_ends_without_waiting_for_its_threads(drawn):
    tracks = load_tracks(drawn)
    plan = HeldUp(Plan(tracks, SPEC, 4, seed=1))
    stream = stream_clips(tracks, plan)
    next(stream)
    plan.may_go_on.clear()
    next(stream)
    assert plan.waits.wait(60)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 5
    plan.may_go_on.set()


def test_what_is_still_to_be_read_when_the_plan_ends_is_read(drawn):
    tracks, config = load_tracks(drawn), StreamConfig(threads=1, fetch_threads=1)
    reader, may_read = ClipReader(tracks, config, StreamCounters()), threading.Event()
    fetch_now = reader.fetch

    def fetch_later(clip: PlannedClip) -> ClipBytes:
        assert may_read.wait(60)
        return fetch_now(clip)

    reader.fetch = fetch_later
    planned = planned_batches(
        EvaluationPlan(tracks, ClipSpec(40, whole=True), 2), 0, 0, 1, config, reader.counters
    )
    handed_on = list(fetch(reader)(planned()))
    may_read.set()
    assert len(handed_on) > 1
    found = [key for _, clips in decode(reader)(handed_on) for key in clips.key_B]
    assert found == [tracks.key(clip.row) for batch in handed_on for clip in batch.clips]


def test_memory_of_batches_that_are_held_is_not_written_again(drawn):
    tracks = load_tracks(drawn)
    plan = Plan(tracks, SPEC, 4, seed=1)
    held, digests = [], []
    for _, (_, clips) in zip(range(12), stream_clips(tracks, plan), strict=False):
        held.append(clips.frames_BTHWC[1:, ::2])
        digests.append(hashlib.sha256(held[-1].tobytes()).hexdigest())
    assert [hashlib.sha256(frames.tobytes()).hexdigest() for frames in held] == digests
