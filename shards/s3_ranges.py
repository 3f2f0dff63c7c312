"""Bytes of objects in an S3 store: any range, whatever the store and the network do on the way.

A read that breaks off goes on at the byte it reached, over another connection; what came is not asked for
again. Botocore knows the account and signs (s3_account), `http.client` carries (s3_http).

Why these: per read of 60 KB on loopback from 2 to 16 threads this process spent, in microseconds of CPU,
1,230 to 1,590 in s3fs, 1,300 in boto3, 470 to 610 in urllib3 signing each request, 270 to 410 in obstore, 280
to 420 here. Of whole objects of 64 MiB came, in MB per second of CPU, 820 by `s3fs.open().read`, 2,290 by
boto3, 2,460 by obstore, 4,390 by urllib3, and here 3,970 into memory that the caller keeps and 1,490 into
fresh memory. (SeaweedFS on the same two shared cores; read them as ratios.) obstore alone is as cheap for
small reads, but after a fork it hangs in the child, and it tells what went wrong in prose; urllib3 would save
most of s3_http at nearly twice the price per read.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from time import monotonic

from botocore.exceptions import ClientError

from shards import s3_account
from shards.retry import RetryPolicy, retry
from shards.s3_errors import STORE_ERRORS, OutOfTimeError, explain, is_expired, is_retryable
from shards.s3_http import Connection, Deadline

ERROR_BYTES = 65_536
"""Of a refusal's body: its code stands in the first hundred."""


@dataclass(frozen=True)
class ReadLimits:
    """How long a read may wait. Nothing waits without a limit."""

    connect_seconds: float = 5.0
    """For a connection, per address of the store's name."""
    stall_seconds: float = 15.0
    """Without a byte, be it of the head or of the body; then the connection is given up."""
    slowest_bytes_per_second: float = 65_536.0
    """A connection whose bytes come slower is given up; and tries and all, a read takes no longer than the
    deadline of `retry` and its bytes over this."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """Its deadline holds for tries that get nothing."""


LIMITS = ReadLimits()


def read(url: str) -> bytes:
    """The whole object."""
    return _collected(url, 0, None)


def read_range(url: str, start: int, length: int) -> bytes:
    """`length` bytes from byte `start` on; fewer where the object ends before.

    Raises:
        ShardError: the object ends before `start`.
    """
    return _collected(url, start, length)


def read_into(url: str, start: int, buffer: memoryview) -> int:
    """Fill `buffer` (of bytes) from byte `start` on; how many came, fewer where the object ends before.

    Raises:
        ShardError: the object ends before `start`.
    """
    return _Transfer(url, start, len(buffer), lambda _: buffer[:]).run()


def _collected(url: str, start: int, length: int | None) -> bytes:
    memory = io.BytesIO()  # gives what was written into it away without a copy

    def room(count: int) -> memoryview:
        memory.truncate(0)
        if count:
            memory.seek(count - 1)
            memory.write(b"\0")
        return memory.getbuffer()

    _Transfer(url, start, length, room).run()
    return memory.getvalue()


class _UnusableAnswerError(HTTPException):
    """An answer that is not what was asked for."""


class _Transfer:
    """One read: what is wanted, and how far it is.

    `room` gives memory for the bytes once it is known how many there are, and again, after the release of
    what it gave, where the object is replaced in the middle of the read.
    """

    def __init__(self, url: str, start: int, wanted: int | None, room: Callable[[int], memoryview]) -> None:
        self._url, self._start, self._wanted, self._room = url, start, wanted, room
        self._bucket, self._key = s3_account.split(url)
        self._buffer: memoryview | None = None
        self._etag: str | None = None
        self._got = 0
        self._has_renewed = False
        self._limits = LIMITS
        self._began = monotonic()

    def run(self) -> int:
        """Read until all is there; how many bytes."""
        try:
            retry(self._attempt, is_retryable, self._limits.retry, progress=lambda: self._got)
        except STORE_ERRORS as error:
            raise explain(error, self._url, "read") from error
        finally:
            self._drop()
        return self._got

    def _drop(self) -> None:
        if self._buffer is not None:
            self._buffer.release()
            self._buffer = None

    def _length(self) -> int | None:
        """Bytes that come in all; what is wanted until the store says more."""
        return self._wanted if self._buffer is None else len(self._buffer)

    def _attempt(self, failures: int) -> None:
        length = self._length() or 0
        allowed = self._limits.retry.deadline_seconds + length / self._limits.slowest_bytes_per_second
        if monotonic() - self._began > allowed:
            raise OutOfTimeError(f"its bytes come too slowly, {self._got} of {length} in {allowed:.1f} s")
        account = s3_account.current()
        signed = account.signed(self._bucket, self._key)
        try:
            self._exchange(account, signed)
        except ClientError as error:
            if self._has_renewed or not is_expired(error):
                raise
            self._has_renewed = True
            account.renew(signed.credentials)
            self._exchange(account, account.signed(self._bucket, self._key))

    def _exchange(self, account: s3_account.Account, signed: s3_account.Signed) -> None:
        """One request, and the bytes that come of it."""
        headers = signed.headers
        length = self._length()
        if length is not None:
            span = f"bytes={self._start + self._got}-{self._start + length - 1}"
            headers = headers | {"Range": span}
        pool = account.bucket(self._bucket).pool
        began, stall_seconds = monotonic(), self._limits.stall_seconds
        first = self._got

        def end() -> float:  # moves when the length becomes known
            left = (self._length() or first) - first
            return began + stall_seconds + left / self._limits.slowest_bytes_per_second

        connection = pool.take(self._limits.connect_seconds)
        is_reusable = False
        try:
            answer = connection.get(signed.path, headers, Deadline(end, stall_seconds))
            if answer.status not in (200, 206):
                error = _refusal(answer)
                is_reusable = answer.isclosed()
                raise error
            is_reusable = self._receive(connection, answer, self._room_for(answer))
        finally:
            if is_reusable:
                pool.give(connection)
            else:
                connection.close()

    def _receive(self, connection: Connection, answer: HTTPResponse, buffer: memoryview) -> bool:
        """Take the body; whether nothing of it is left on the connection."""
        left = answer.length or 0
        while left and self._got < len(buffer):
            # One wait at a time, so that it is known what came when the next wait fails.
            count = connection.receive_into(buffer[self._got : self._got + left])
            if count == 0:
                break
            self._got += count
            left -= count
        answer.close()
        if self._got < len(buffer):
            raise IncompleteRead(b"", len(buffer) - self._got)
        return left == 0

    def _room_for(self, answer: HTTPResponse) -> memoryview:
        """Check that the body is what comes next; the memory for all of what is wanted.

        Raises:
            _UnusableAnswerError: it is something else.
        """
        if answer.length is None:
            raise _UnusableAnswerError("an answer that does not say its length")
        etag = answer.headers.get("ETag")
        if self._buffer is not None and etag != self._etag:
            self._drop()
            self._got = 0
            raise _UnusableAnswerError("the object was replaced while it was read")
        first = self._start + self._got
        if answer.status == 206:
            place = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if place is None or int(place[1]) != first:
                raise _UnusableAnswerError(f"another range than was asked for: {place and place[0]}")
            size = int(place[2])
        elif first > 0:
            raise _UnusableAnswerError("the whole object in place of a range")
        else:
            size = answer.length
        if self._buffer is None:
            available = size - self._start
            count = available if self._wanted is None else min(self._wanted, available)
            self._etag, self._buffer = etag, self._room(count)
        return self._buffer


def _refusal(answer: HTTPResponse) -> ClientError:
    """The error in an answer that is none of the object."""
    body = answer.read(ERROR_BYTES)
    code = re.search(rb"<Code>([^<]+)</Code>", body)
    message = re.search(rb"<Message>([^<]*)</Message>", body)
    return ClientError(
        {
            "Error": {
                "Code": code[1].decode(errors="replace") if code else str(answer.status),
                "Message": message[1].decode(errors="replace") if message else answer.reason,
            },
            "ResponseMetadata": {"HTTPStatusCode": answer.status},
        },
        "GetObject",
    )
