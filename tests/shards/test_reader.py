"""Reading planned clips: few requests, every byte verified, bad samples counted and named."""

import shutil
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from shards import ranges
from shards.errors import ShardError
from shards.plan import PlannedClip
from shards.reader import LOOKS, ClipBytes, ClipReader
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER
from shards.stream_config import StreamConfig, StreamCounters
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
    return PlannedClip(0, row, np.full(len(frames), row), np.array(frames), 0)


def empty(read: ClipBytes) -> np.ndarray:
    return np.full((len(read.clip.frames_T), SIZE, SIZE, 3), 7, np.uint8)


def test_frames_and_labels_of_a_clip_are_its_own(reader):
    read = reader.fetch(clip(1, 4, 2, 9, 2))
    crc32_F = reader.tracks.frame_places(1)[2]
    assert [zlib.crc32(jpeg) for jpeg in read.jpegs_T] == crc32_F[[4, 2, 9, 2]].tolist()
    assert {name: array.shape for name, array in read.labels_TA.items()} == {
        OCCURRENCE_MEMBER: (4, 2),
        INTENSITY_MEMBER: (4, 2),
    }
    np.testing.assert_array_equal(
        read.labels_TA[INTENSITY_MEMBER], reader.label(1, INTENSITY_MEMBER)[[4, 2, 9, 2]]
    )
    frames_THWC = empty(read)
    assert reader.decode_into(read, frames_THWC)
    for jpeg, frame_HWC in zip(read.jpegs_T, frames_THWC, strict=True):
        assert np.array_equal(frame_HWC, simplejpeg.decode_jpeg(jpeg))


def test_empty_slots_become_zero(reader):
    read = reader.fetch(clip(0, 3, -1))
    frames_THWC = empty(read)
    assert reader.decode_into(read, frames_THWC)
    assert not frames_THWC[1].any()
    assert frames_THWC[0].any()
    assert [bool(jpeg) for jpeg in read.jpegs_T] == [True, False]
    assert (read.labels_TA[INTENSITY_MEMBER][1] == -1).all()
    assert np.isnan(read.facts.time_seconds_T).tolist() == [False, True]


def requests_of(reader: ClipReader, planned: PlannedClip) -> int:
    before = reader.counters.requests
    reader.fetch(planned)
    return reader.counters.requests - before


def test_near_frames_share_a_request_and_far_ones_do_not(reader, monkeypatch):
    lengths = reader.tracks.frame_places(0)[1]
    reader.fetch(clip(0, 0))  # its labels too
    between = int(lengths[1:5].sum())
    assert between < lengths[6:15].sum()
    for most, requests in ((2**20, 1), (between, 2), (between - 1, 3)):
        monkeypatch.setattr(ranges, "MOST_WASTE", 100.0)
        monkeypatch.setattr(ranges, "COALESCE_BYTES", most)
        assert requests_of(reader, clip(0, 0, 5, 15)) == requests


def test_a_samples_labels_are_read_once(reader):
    labels = 2
    assert [requests_of(reader, clip(row, 0)) for row in (0, 0, 1, 0, 1)] == [1 + labels, 1, 1 + labels, 1, 1]


@pytest.fixture
def altered(tracks, tmp_path):
    """A reader of a copy of the set whose bytes a test may change."""
    shutil.copytree(tracks.url, tmp_path / "set")
    return ClipReader(load_tracks(str(tmp_path / "set")), StreamConfig(), StreamCounters())


def flip(reader: ClipReader, row: int, offset: int) -> None:
    path = Path(reader.tracks.url) / reader.tracks.shards[row]
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(bytes(content))


def test_a_frame_that_is_not_the_indexed_one_makes_the_sample_unreadable(altered):
    offset = int(altered.tracks.frame_places(1)[0][5])
    flip(altered, 1, offset + 9)
    assert altered.fetch(clip(1, 4)).jpegs_T
    assert not altered.counters.quarantined
    read = altered.fetch(clip(1, 4, 5))
    assert (read.jpegs_T, read.labels_TA) == ([], {})
    shard = altered.tracks.shards[1]
    assert altered.counters.quarantined == {
        f"{altered.tracks.url}/{shard}#{altered.tracks.keys[1]}": f"the frame at byte {offset} of {shard} "
        "does not match its CRC in the index"
    }
    assert altered.counters.damaged_reads == LOOKS == 4
    assert not altered.decode_into(read, empty(read))


def test_labels_that_are_not_the_indexed_ones_make_the_sample_unreadable(altered):
    unit, local = altered.tracks.place(2)
    flip(altered, 2, unit.labels[INTENSITY_MEMBER][local].offset + 130)
    assert not altered.fetch(clip(2, 0)).jpegs_T
    provenance = altered.tracks.provenance(2)
    assert altered.counters.quarantined == {
        provenance: f"{provenance}: member intensity.npy does not match its CRC in the index"
    }


def test_a_missing_shard_makes_the_sample_unreadable(altered):
    (Path(altered.tracks.url) / altered.tracks.shards[0]).unlink()
    assert not altered.fetch(clip(0, 0)).jpegs_T
    [(provenance, reason)] = altered.counters.quarantined.items()
    assert provenance == altered.tracks.provenance(0)
    assert altered.tracks.shards[0] in reason


@pytest.mark.parametrize("kind", ["no jpeg", "other size"])
def test_bytes_that_do_not_decode_leave_a_zero_slot(reader, kind):
    good = reader.fetch(clip(0, 0, 1))
    larger = simplejpeg.encode_jpeg(np.zeros((SIZE + 8, SIZE + 8, 3), np.uint8))
    bad = [good.jpegs_T[0], b"not a jpeg" if kind == "no jpeg" else larger]
    frames_THWC = empty(good)
    assert not reader.decode_into(good._replace(jpegs_T=bad), frames_THWC)
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
    assert reader.counters.bytes_decoded == sum(map(len, read.jpegs_T))
    assert reader.counters.fetch_seconds > 0
    assert reader.counters.decode_seconds > 0


@pytest.mark.parametrize(
    "numbers",
    [{"threads": -1}, {"read_ahead": 0}, {"read_ahead_mb": 0}, {"fetch_threads": -1}, {"max_unreadable": -1}],
)
def test_senseless_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match="stream needs read_ahead and read_ahead_mb >= 1, threads, fetch"):
        StreamConfig(**numbers)
