"""Reading planned clips: few requests, every byte verified, bad samples counted and named."""

import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
import simplejpeg

from shards import reader as reader_module
from shards.errors import ShardError
from shards.plan import PlannedClip
from shards.reader import ClipBytes, ClipReader, StreamConfig, StreamCounters
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER
from shards.tracks import load_tracks
from tests.drawn_set import write_set

FRAMES, SIZE = 16, 24


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_set(str(folder / "set"), folder / "tars", 3, 1, FRAMES, 1, SIZE, labelled=True)
    return load_tracks(str(folder / "set"))


@pytest.fixture
def reader(tracks):
    return ClipReader(tracks, StreamConfig(), StreamCounters())


def clip(row: int, *frames: int) -> PlannedClip:
    return PlannedClip(0, row, np.array(frames), 0)


def empty(read: ClipBytes) -> np.ndarray:
    return np.full((len(read.clip.frames_T), SIZE, SIZE, 3), 7, np.uint8)


def test_frames_and_labels_of_a_clip_are_its_own(reader):
    read = reader.fetch(clip(1, 4, 2, 9, 2))
    assert sorted(read.frames) == [2, 4, 9]
    place = reader.tracks.frames_of(1)
    for frame, data in read.frames.items():
        assert zlib.crc32(data) == reader.tracks.frame_crc32[place][frame]
    assert {name: array.shape for name, array in read.labels.items()} == {
        OCCURRENCE_MEMBER: (FRAMES, 2),
        INTENSITY_MEMBER: (FRAMES, 2),
    }
    frames_THWC = empty(read)
    assert reader.decode_into(read, frames_THWC)
    for slot, frame in enumerate((4, 2, 9, 2)):
        assert np.array_equal(frames_THWC[slot], simplejpeg.decode_jpeg(read.frames[frame]))


def test_empty_slots_are_left_as_they_are(reader):
    read = reader.fetch(clip(0, 3, -1))
    frames_THWC = empty(read)
    assert reader.decode_into(read, frames_THWC)
    assert (frames_THWC[1] == 7).all()
    assert sorted(read.frames) == [3]


def requests_of(reader: ClipReader, planned: PlannedClip) -> int:
    before = reader.counters.requests
    reader.fetch(planned)
    return reader.counters.requests - before


def test_near_frames_share_a_request_and_far_ones_do_not(reader, monkeypatch):
    lengths = reader.tracks.frame_length[reader.tracks.frames_of(0)]
    reader.fetch(clip(0, 0))  # its labels too
    before = reader.counters.bytes_fetched
    assert requests_of(reader, clip(0, 0, 5, 15)) == 1
    assert reader.counters.bytes_fetched - before == lengths.sum()
    between = int(lengths[1:5].sum())
    assert between < lengths[6:15].sum()
    monkeypatch.setattr(reader_module, "COALESCE_BYTES", between)
    assert requests_of(reader, clip(0, 0, 5, 15)) == 2
    monkeypatch.setattr(reader_module, "COALESCE_BYTES", between - 1)
    assert requests_of(reader, clip(0, 0, 5, 15)) == 3


def test_a_samples_labels_are_read_once(reader):
    labels = 2
    assert [requests_of(reader, clip(row, 0)) for row in (0, 0, 1, 0, 1)] == [1 + labels, 1, 1 + labels, 1, 1]


def altered(tracks, **columns):
    return ClipReader(replace(tracks, **columns), StreamConfig(), StreamCounters())


def test_a_frame_that_is_not_the_indexed_one_makes_the_sample_unreadable(tracks):
    crc32 = tracks.frame_crc32.copy()
    crc32[tracks.frames_of(1).start + 5] ^= 1
    reader = altered(tracks, frame_crc32=crc32)
    assert reader.fetch(clip(1, 4)).frames
    assert not reader.counters.quarantined
    read = reader.fetch(clip(1, 4, 5))
    assert (read.frames, read.labels) == ({}, {})
    assert reader.counters.quarantined == {
        f"{tracks.url}/{tracks.shards[1]}#{tracks.keys[1]}": "frame 5 does not match its CRC in the index"
    }
    assert not reader.decode_into(read, empty(read))


def test_labels_that_are_not_the_indexed_ones_make_the_sample_unreadable(tracks):
    offset, length, crc32 = tracks.label_members[INTENSITY_MEMBER][2]
    wrong = {name: list(places) for name, places in tracks.label_members.items()}
    wrong[INTENSITY_MEMBER][2] = (offset, length, crc32 ^ 1)
    reader = altered(tracks, label_members=wrong)
    assert not reader.fetch(clip(2, 0)).frames
    assert list(reader.counters.quarantined.values()) == [
        "member intensity.npy does not match its CRC in the index"
    ]


def test_a_missing_shard_makes_the_sample_unreadable(tracks):
    shards = ["shards/gone.tar", *tracks.shards[1:]]
    reader = altered(tracks, shards=shards)
    assert not reader.fetch(clip(0, 0)).frames
    [(provenance, reason)] = reader.counters.quarantined.items()
    assert provenance == f"{tracks.url}/shards/gone.tar#{tracks.keys[0]}"
    assert "gone.tar" in reason


@pytest.mark.parametrize("kind", ["no jpeg", "other size"])
def test_bytes_that_do_not_decode_leave_a_zero_slot(reader, kind):
    good = reader.fetch(clip(0, 0, 1))
    larger = simplejpeg.encode_jpeg(np.zeros((SIZE + 8, SIZE + 8, 3), np.uint8))
    bad = good.frames | {1: b"not a jpeg" if kind == "no jpeg" else larger}
    frames_THWC = empty(good)
    assert not reader.decode_into(good._replace(frames=bad), frames_THWC)
    assert not frames_THWC.any()
    [reason] = reader.counters.quarantined.values()
    assert reason.startswith(f"not a JPEG of {SIZE} pixels: ")


def test_the_same_sample_counts_once_and_one_too_many_stops():
    counters = StreamCounters()
    for _ in range(5):
        counters.quarantine("a#1", "gone", limit=1)
    with pytest.raises(
        ShardError, match=r"2 samples could not be read, more than max_unreadable=1; .* a#1: "
    ):
        counters.quarantine("b#2", "cut", limit=1)


def test_counters_lose_nothing_between_threads():
    counters = StreamCounters()

    def count() -> None:
        for _ in range(2000):
            counters.add(requests=1, bytes_fetched=3)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counters.requests, counters.bytes_fetched) == (16_000, 48_000)


def test_time_and_bytes_are_counted(reader):
    read = reader.fetch(clip(0, 0, 1))
    reader.decode_into(read, empty(read))
    assert reader.counters.bytes_decoded == sum(map(len, read.frames.values()))
    assert reader.counters.fetch_seconds > 0
    assert reader.counters.decode_seconds > 0


@pytest.mark.parametrize("numbers", [{"threads": 0}, {"read_ahead": 0}, {"max_unreadable": -1}])
def test_senseless_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match=r"stream needs threads and read_ahead >= 1 and max_unreadable >= 0"):
        StreamConfig(**numbers)
