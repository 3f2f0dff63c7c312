import multiprocessing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shards import s3
from shards.errors import ShardError


def read_in_child(url: str) -> bytes:
    return s3.read(url)


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


def test_a_lost_answer_does_not_lose_the_race(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store took the bytes, the answer was lost: trying again finds our own."""
    filesystem = s3.filesystem()
    put = filesystem.call_s3
    calls = []

    def lossy(method: str, **arguments: Any) -> Any:
        answer = put(method, **arguments)
        calls.append(method)
        if len(calls) == 1:
            raise ConnectionResetError("after the put")
        return answer

    monkeypatch.setattr(filesystem, "call_s3", lossy)
    assert s3.put_if_absent(f"{bucket_url}/x", b"mine")
    assert not s3.put_if_absent(f"{bucket_url}/x", b"mine")


def test_busy_answers_are_tried_again(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = s3.filesystem()
    put = filesystem.call_s3
    failures = ["SlowDown", "InternalError"]

    def busy(method: str, **arguments: Any) -> Any:
        if failures:
            error = OSError(5, "busy")
            error.__cause__ = ClientError({"Error": {"Code": failures.pop()}}, method)
            raise error
        return put(method, **arguments)

    monkeypatch.setattr(filesystem, "call_s3", busy)
    s3.put(f"{bucket_url}/x", b"x")
    assert s3.read(f"{bucket_url}/x") == b"x"
