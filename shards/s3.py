"""Objects in an S3 store: one s3fs filesystem per process and account, retries, verified writes.

Endpoint and credentials come from the AWS_* environment (AWS_ENDPOINT_URL for stores other than AWS).
Contents are read by s3_ranges, which goes on where a read broke off and costs a fifth of s3fs per small read.
"""

import hashlib
import os
import secrets
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import s3fs

from shards import s3_ranges
from shards.errors import NotFoundError, ShardError
from shards.retry import retry
from shards.s3_account import ENVIRONMENT, split
from shards.s3_errors import STORE_ERRORS, endpoint_url, error_code, explain, is_expired, is_retryable
from shards.s3_ranges import read_range

Value = TypeVar("Value")

PART_BYTES = 16 * 2**20
PARTS_IN_FLIGHT = 4
MAX_PARTS = 10_000

_filesystems: dict[tuple[int | str | None, ...], s3fs.S3FileSystem] = {}
_lock = threading.Lock()


def filesystem() -> s3fs.S3FileSystem:
    """This process's filesystem for the account in the environment.

    s3fs does not survive a fork, so the process id is part of the cache key, as are endpoint and account.
    """
    endpoint, key = endpoint_url(), _filesystem_key()
    with _lock:
        found = _filesystems.get(key)
        if found is None:
            found = s3fs.S3FileSystem(
                endpoint_url=endpoint,
                use_listings_cache=False,
                skip_instance_cache=True,
                config_kwargs={
                    "connect_timeout": 10,
                    "read_timeout": 60,
                    "max_pool_connections": 64,
                    "retries": {"total_max_attempts": 1},
                },
            )
            found.retries = 1  # retrying is done here, with a deadline
            _filesystems[key] = found
    return found


def _filesystem_key() -> tuple[int | str | None, ...]:
    return os.getpid(), *(os.environ.get(name) for name in ENVIRONMENT)


def _attempt(url: str, action: str, operation: Callable[[int], Value]) -> Value:
    has_renewed = False

    def attempt(failures: int) -> Value:
        nonlocal has_renewed
        try:
            return operation(failures)
        except STORE_ERRORS as error:
            if has_renewed or not is_expired(error):
                raise
        has_renewed = True
        _renew()
        return operation(failures)

    try:
        return retry(attempt, is_retryable, s3_ranges.LIMITS.retry)
    except STORE_ERRORS as error:
        raise explain(error, url, action) from error


def _renew() -> None:
    """Look for credentials anew: those of the filesystem in use have expired."""
    with _lock:
        _filesystems.pop(_filesystem_key(), None)


def _call(url: str, action: str, method: str, **arguments: Any) -> Any:
    bucket, key = split(url)
    where = {"Bucket": bucket} | ({"Key": key} if key else {})
    return _attempt(url, action, lambda _: filesystem().call_s3(method, **where, **arguments))


def size(url: str) -> int:
    """Bytes of the object."""
    return int(_call(url, "look up", "head_object")["ContentLength"])


def exists(url: str) -> bool:
    """Whether there is an object of this name."""
    try:
        size(url)
    except NotFoundError:
        return False
    return True


def delete(url: str) -> None:
    """Remove the object; nothing happens where there is none."""
    _call(url, "delete", "delete_object")


def list_names(url: str) -> list[str]:
    """Names of the objects below `url`, relative to it, sorted."""
    return [name for name, _, _ in list_entries(url)]


def list_entries(url: str) -> list[tuple[str, int, str]]:
    """Name, bytes and ETag of every object below `url`, sorted by name."""
    bucket, key = split(url)
    prefix = f"{key.rstrip('/')}/" if key else ""
    found: list[tuple[str, int, str]] = []
    token: dict[str, str] = {}
    while True:
        page = _call(f"s3://{bucket}", "list", "list_objects_v2", Prefix=prefix, **token)
        found += [
            (entry["Key"][len(prefix) :], int(entry["Size"]), entry["ETag"].strip('"'))
            for entry in page.get("Contents", [])
        ]
        if not page.get("IsTruncated"):
            return sorted(entry for entry in found if entry[0] and not entry[0].endswith("/"))
        token = {"ContinuationToken": page["NextContinuationToken"]}


def get_file(url: str, path: Path) -> None:
    """Write the object to a local file, a few parts at a time."""
    total = size(url)
    starts = range(0, total, PART_BYTES)

    def part(start: int) -> bytes:
        return read_range(url, start, min(PART_BYTES, total - start))

    with path.open("wb") as file, ThreadPoolExecutor(PARTS_IN_FLIGHT) as pool:
        for first in range(0, len(starts), PARTS_IN_FLIGHT):  # no more than these are ever in memory
            for data in pool.map(part, starts[first : first + PARTS_IN_FLIGHT]):
                file.write(data)


def put(url: str, data: bytes) -> None:
    """Store `data` and check what was stored."""
    md5 = hashlib.md5(data, usedforsecurity=False)
    _call(url, "write", "put_object", Body=data, ContentMD5=b64encode(md5.digest()).decode())
    _verify(url, len(data), md5.hexdigest(), lambda start, length: data[start : start + length])


def put_if_absent(url: str, data: bytes) -> bool:
    """Store `data` only where nothing is; whether it was stored."""
    bucket, key = split(url)
    writer = secrets.token_hex(16)

    def attempt(failures: int) -> bool:
        try:
            where = {"Bucket": bucket, "Key": key, "IfNoneMatch": "*"}
            filesystem().call_s3("put_object", **where, Body=data, Metadata={"writer": writer})
        except OSError as error:
            if error_code(error) not in ("PreconditionFailed", "412"):
                raise
            # An earlier try may have been stored and its answer lost, be it one of ours or one of aiohttp's,
            # which sends a PUT again without a word: then the object says that it is ours.
            found = filesystem().call_s3("head_object", Bucket=bucket, Key=key)
            return bool(found["Metadata"].get("writer") == writer)
        return True

    return _attempt(url, "write", attempt)


def put_file(url: str, path: Path) -> None:
    """Upload a local file, in parts where it is large."""
    total = path.stat().st_size
    part_bytes = max(PART_BYTES, -(-total // MAX_PARTS))
    if total <= part_bytes:
        put(url, path.read_bytes())
        return
    upload = _call(url, "write", "create_multipart_upload")["UploadId"]
    try:
        digests, parts = _put_parts(url, path, upload, part_bytes)
        _call(url, "write", "complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        _call(url, "abort the upload of", "abort_multipart_upload", UploadId=upload)
        raise
    etag = f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(parts)}"
    _verify(url, total, etag, lambda start, length: _read_local(path, start, length))


def _put_parts(
    url: str, path: Path, upload: str, part_bytes: int
) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Send all parts, a few at a time; the MD5 digest and the answer of each, in order."""

    def send(number: int) -> tuple[bytes, dict[str, Any]]:
        data = _read_local(path, (number - 1) * part_bytes, part_bytes)
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        where = {"UploadId": upload, "PartNumber": number, "ContentMD5": b64encode(digest).decode()}
        answer = _call(url, "write", "upload_part", Body=data, **where)
        return digest, {"PartNumber": number, "ETag": answer["ETag"]}

    count = -(-path.stat().st_size // part_bytes)
    with ThreadPoolExecutor(PARTS_IN_FLIGHT) as pool:
        sent = list(pool.map(send, range(1, count + 1)))
    return [digest for digest, _ in sent], [part for _, part in sent]


def _read_local(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _verify(url: str, total: int, etag: str, expected: Callable[[int, int], bytes]) -> None:
    """Check what the store holds: size and ETag, or byte by byte where its ETag is no MD5 (encryption)."""
    head = _call(url, "check", "head_object")
    stored = int(head["ContentLength"])
    if stored == total and head["ETag"].strip('"') == etag:
        return
    same = stored == total and all(
        read_range(url, start, min(PART_BYTES, total - start)) == expected(start, PART_BYTES)
        for start in range(0, total, PART_BYTES)
    )
    if not same:
        raise ShardError(
            f"{url} holds other bytes than were sent ({stored} of {total} bytes); the store or the way to it "
            "damages data, or someone else writes to the same place"
        )
