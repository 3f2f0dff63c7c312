import multiprocessing
from typing import Any

import pytest

from shards import s3, storage
from shards.errors import ShardError


def read_in_child(url: str) -> bytes:
    return storage.read_bytes(url)


def test_a_spawned_process_makes_its_own_filesystem(bucket_url: str) -> None:
    s3.put(f"{bucket_url}/x", b"x")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_in_child, (f"{bucket_url}/x",)) == b"x"


def test_another_account_is_another_filesystem(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = s3.filesystem()
    assert s3.filesystem() is first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    assert s3.filesystem() is not first


def test_other_bytes_in_the_store_are_noticed(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{bucket_url}/x"
    call = s3._call

    def damage(url: str, action: str, method: str, **arguments: Any) -> Any:
        if method == "put_object":
            arguments = {"Body": b"other"}
        return call(url, action, method, **arguments)

    monkeypatch.setattr(s3, "_call", damage)
    with pytest.raises(ShardError, match="holds other bytes than were sent"):
        s3.put(url, b"right")


def test_an_etag_that_is_no_md5_is_checked_byte_by_byte(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = s3._call

    def encrypted(url: str, action: str, method: str, **arguments: Any) -> Any:
        answer = call(url, action, method, **arguments)
        return {**answer, "ETag": '"other"'} if method == "head_object" else answer

    monkeypatch.setattr(s3, "_call", encrypted)
    s3.put(f"{bucket_url}/x", b"right")
