import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards import s3, s3_ranges, storage
from shards.errors import NotFoundError, ShardError
from shards.retry import RetryPolicy
from shards.s3_ranges import ReadLimits


def test_round_trip_and_replacement(any_url: str) -> None:
    url = storage.join(any_url, "a", "b.bin")
    assert not storage.exists(url)
    for data in (b"first", b"", secrets.token_bytes(100_000)):
        storage.write_bytes(url, data)
        assert storage.read_bytes(url) == data
        assert storage.size(url) == len(data)
    assert storage.exists(url)


def test_names_are_relative_sorted_and_recursive(any_url: str) -> None:
    assert storage.list_names(any_url) == []
    for name in ("b/2", "a", "b/1/x", "b/10"):
        storage.write_bytes(storage.join(any_url, name), b"x")
    assert storage.list_names(any_url) == ["a", "b/1/x", "b/10", "b/2"]
    assert storage.list_names(storage.join(any_url, "b")) == ["1/x", "10", "2"]
    storage.delete(storage.join(any_url, "a"))
    storage.delete(storage.join(any_url, "a"))
    assert "a" not in storage.list_names(any_url)


def test_sizes_of_all_objects(any_url: str) -> None:
    assert storage.list_sizes(any_url) == {}
    for name, count in {"b/2": 3, "a": 0, "b/10": 70_000}.items():
        storage.write_bytes(storage.join(any_url, name), b"x" * count)
    assert storage.list_sizes(any_url) == {"a": 0, "b/10": 70_000, "b/2": 3}
    assert storage.list_sizes(storage.join(any_url, "b")) == {"10": 70_000, "2": 3}


def test_copies_keep_their_names(any_url: str, tmp_path: Path) -> None:
    for name in ("config.json", "parts/1"):
        storage.write_bytes(storage.join(any_url, name), name.encode())
    storage.download(any_url, storage.list_names(any_url), tmp_path / "copies")
    for name in ("config.json", "parts/1"):
        assert (tmp_path / "copies" / name).read_bytes() == name.encode()


def test_a_name_is_no_prefix_of_another(any_url: str) -> None:
    storage.write_bytes(storage.join(any_url, "set-2", "x"), b"x")
    assert storage.list_names(storage.join(any_url, "set")) == []


def test_range_checks_its_length(any_url: str) -> None:
    url = storage.join(any_url, "x")
    storage.write_bytes(url, bytes(range(100)))
    assert storage.read_range(url, 10, 5) == bytes(range(10, 15))
    assert storage.read_range(url, 10, 0) == b""
    with pytest.raises(ShardError, match="cut short"):
        storage.read_range(url, 98, 5)
    with pytest.raises(ShardError, match="cut short"):
        storage.read_range(url, 200, 5)
    with pytest.raises(ValueError, match="start >= 0"):
        storage.read_range(url, -1, 5)


def test_a_range_read_into_memory_of_the_caller(any_url: str) -> None:
    url = storage.join(any_url, "x")
    storage.write_bytes(url, bytes(range(100)))
    content = bytearray(20)
    storage.read_into(url, 10, memoryview(content)[5:15])
    assert content == bytes(5) + bytes(range(10, 20)) + bytes(5)
    storage.read_into(url, 1_000, memoryview(content)[:0])
    with pytest.raises(ShardError, match="cut short"):
        storage.read_into(url, 90, memoryview(content))
    with pytest.raises(ShardError, match="cut short"):
        storage.read_into(url, 200, memoryview(content))
    with pytest.raises(ValueError, match="start >= 0"):
        storage.read_into(url, -1, memoryview(content))


@given(start=st.integers(0, 300), length=st.integers(0, 300))
def test_range_is_a_slice(tmp_path_factory: pytest.TempPathFactory, start: int, length: int) -> None:
    data = bytes(range(256))
    url = str(tmp_path_factory.getbasetemp() / "slice.bin")
    Path(url).write_bytes(data)
    if start + length <= len(data) or length == 0:
        assert storage.read_range(url, start, length) == data[start : start + length]
    else:
        with pytest.raises(ShardError, match="cut short"):
            storage.read_range(url, start, length)


def test_absent_things_say_so(any_url: str) -> None:
    into = memoryview(bytearray(1))
    readers = (lambda url: storage.read_range(url, 0, 1), lambda url: storage.read_into(url, 0, into))
    for read in (storage.read_bytes, storage.size, *readers):
        with pytest.raises(NotFoundError, match=r"nothing.*does not exist"):
            read(storage.join(any_url, "nothing"))


def test_only_one_writer_of_an_absent_name_wins(any_url: str) -> None:
    url = storage.join(any_url, "lease")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: storage.write_if_absent(url, b"%d" % number), range(8)))
    assert won.count(True) == 1
    assert storage.read_bytes(url) == b"%d" % won.index(True)
    assert not storage.write_if_absent(url, b"later")


def test_large_file_in_parts(any_url: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(secrets.token_bytes(s3.PART_BYTES + 12_345))
    url = storage.join(any_url, "large")
    storage.write_file(url, path)
    assert storage.read_bytes(url) == path.read_bytes()


def test_many_threads(any_url: str) -> None:
    def work(number: int) -> bytes:
        url = storage.join(any_url, str(number))
        storage.write_bytes(url, b"%d" % number)
        return storage.read_bytes(url)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [b"%d" % number for number in range(24)]


def test_unfinished_local_writes_are_invisible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    storage.write_bytes(str(tmp_path / "x"), b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ShardError, match=r"cannot write .*x: No space left"):
        storage.write_bytes(str(tmp_path / "x"), b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_unknown_scheme() -> None:
    with pytest.raises(ShardError, match="'gs'; wanted s3://"):
        storage.read_bytes("gs://bucket/x")
    with pytest.raises(ShardError, match="names no bucket"):
        storage.read_bytes("s3:///x")


def test_wrong_credentials(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ShardError, match=r"does not accept the credentials.*AWS_SECRET_ACCESS_KEY"):
        storage.write_bytes(f"{bucket_url}/x", b"x")
    with pytest.raises(ShardError, match=r"does not accept the credentials.*AWS_SECRET_ACCESS_KEY"):
        storage.read_bytes(f"{bucket_url}/x")
    with pytest.raises(ShardError, match=r"check that AWS_ACCESS_KEY_ID"):
        storage.size(f"{bucket_url}/x")


def test_missing_bucket(bucket_url: str) -> None:
    with pytest.raises(NotFoundError, match=r"no bucket 'no-such-bucket'.*make it"):
        storage.write_bytes("s3://no-such-bucket/x", b"x")
    with pytest.raises(NotFoundError, match="no bucket 'no-such-bucket'"):
        storage.list_names("s3://no-such-bucket/x")


def test_no_store_at_the_endpoint(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(s3_ranges, "LIMITS", ReadLimits(retry=RetryPolicy(deadline_seconds=0.5)))
    with pytest.raises(ShardError, match=r"127.0.0.1:1 did not do it.*check that it runs"):
        storage.read_bytes(f"{bucket_url}/x")
