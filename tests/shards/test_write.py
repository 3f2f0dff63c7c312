import io
import tarfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import ShardError
from shards.schema import SampleRow
from shards.write import Sample, ShardWriter, label_bytes, tar_header
from tests.drawn_set import draw

PICTURE = draw(person=0, frame=0, size=16)
"""A sample's first frame is decoded when it is written."""


def sample(number: int, frames: list[bytes], labels_TA: np.ndarray | None = None) -> Sample:
    return Sample(
        key=f"{number:016x}-000-000",
        identity="someone",
        video="video",
        track=number,
        piece=0,
        next_key=None,
        activity=None,
        time_seconds=[float(frame) for frame in range(len(frames))],
        frame_number=list(range(len(frames))),
        frames=frames,
        occurrence_TA=labels_TA,
    )


def write(
    folder: Path, samples: list[Sample], max_bytes: int = 10**9, max_samples: int = 10**6
) -> list[SampleRow]:
    with ShardWriter(folder, "unit", max_bytes, max_samples) as writer:
        return [writer.add(one) for one in samples]


@given(name=st.text("abz019_.-", min_size=1, max_size=100), length=st.integers(0, 8 * 2**30 - 1))
def test_header_is_the_standard_library_s(name: str, length: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = length
    assert tar_header(name, length) == info.tobuf(tarfile.USTAR_FORMAT)


def test_what_ustar_cannot_hold() -> None:
    with pytest.raises(ShardError, match="does not fit plain USTAR"):
        tar_header("x" * 101, 1)
    with pytest.raises(ShardError, match="does not fit plain USTAR"):
        tar_header("x", 8 * 2**30)


@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=4), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(2_000, 10_000),
)
def test_rows_say_where_every_byte_is(
    tmp_path_factory: pytest.TempPathFactory, contents: list[list[bytes]], max_samples: int, max_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    contents = [[PICTURE, *frames] for frames in contents]
    labels = [np.full((len(frames), 3), 1, np.int8) if len(frames) % 2 else None for frames in contents]
    samples = [sample(number, *pair) for number, pair in enumerate(zip(contents, labels, strict=True))]
    rows = write(folder, samples, max_bytes, max_samples)
    for one, row in zip(samples, rows, strict=True):
        data = (folder / row.shard).read_bytes()
        places = zip(row.frame_offset, row.frame_length, strict=True)
        assert [data[start : start + length] for start, length in places] == one.frames
        assert row.frame_crc32 == [zlib.crc32(frame) for frame in one.frames]
        for member in row.members:
            assert zlib.crc32(data[member.offset : member.offset + member.length]) == member.crc32
    counts = Counter(row.shard for row in rows)
    assert max(counts.values()) <= max_samples
    for shard, count in counts.items():
        path = folder / shard
        assert count == 1 or path.stat().st_size <= max_bytes
        with tarfile.open(path) as archive:
            names = [member.name for member in archive]
            assert names == [member.name for row in rows if row.shard == shard for member in row.members]


def test_equal_samples_give_equal_bytes(tmp_path: Path) -> None:
    samples = [sample(number, [PICTURE] * 3) for number in range(3)]
    first, second = (write(tmp_path / name, samples)[0].shard for name in "ab")
    assert (tmp_path / "a" / first).read_bytes() == (tmp_path / "b" / second).read_bytes()


def test_webdataset_reads_the_same_samples(tmp_path: Path) -> None:
    labels_TA = np.array([[0, 1], [-1, 1]], np.int8)
    rows = write(
        tmp_path, [sample(number, [PICTURE, b"two"], labels_TA) for number in range(5)], max_samples=2
    )
    shards = [str(tmp_path / name) for name in sorted({row.shard for row in rows})]
    found = list(wds.WebDataset(shards, shardshuffle=False, empty_check=False))
    assert [one["__key__"] for one in found] == [row.key for row in rows]
    assert {one["mjpeg"] for one in found} == {PICTURE + b"two"}
    np.testing.assert_array_equal(np.load(io.BytesIO(found[0]["occurrence.npy"])), labels_TA)


def test_impossible_samples(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no frames"):
        write(tmp_path, [sample(0, [])])
    with pytest.raises(ValueError, match=r"occurrence.npy: \(3, 2\) for 1 frames"):
        write(tmp_path, [sample(0, [b"x"], np.zeros((3, 2), np.int8))])


def test_labels_round_trip() -> None:
    labels_TA = np.array([[0, 1, -1]], np.int8)
    np.testing.assert_array_equal(np.load(io.BytesIO(label_bytes(labels_TA))), labels_TA)
