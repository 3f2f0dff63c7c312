"""What an S3 store's errors mean: which are worth another try, and what to tell a person."""

import errno
import os
import socket
import ssl
from http.client import HTTPException

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as StoreConnectionError
from botocore.parsers import ResponseParserError
from fsspec.exceptions import FSTimeoutError

from shards.errors import NotFoundError, ShardError

RETRYABLE_TYPES: tuple[type[Exception], ...] = (
    TimeoutError,
    ConnectionError,
    HTTPException,  # an answer cut short, or none that HTTP knows
    socket.gaierror,  # the name server, or the name, is gone for a while
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    FSTimeoutError,
    HTTPClientError,  # resets and timeouts, as botocore wraps them
    StoreConnectionError,  # refused connections and name lookups
    CredentialRetrievalError,  # the service that gives them is gone for a while
    ResponseParserError,  # a proxy's answer in place of the store's
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
)
RETRYABLE_ERRNOS = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)
STORE_ERRORS = (OSError, BotoCoreError, ClientError, ResponseParserError, HTTPException, aiohttp.ClientError)
RETRYABLE_CODES = frozenset(
    {
        "SlowDown",
        "InternalError",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "OperationAborted",
        "ConditionalRequestConflict",
        "BadDigest",
        "IncompleteBody",
        "XAmzContentSHA256Mismatch",
        "429",
    }
)
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
"""Credentials that were good: newer ones may be where they came from."""
NOT_FOUND_CODES = frozenset({"NoSuchKey", "404", "NotFound"})
CREDENTIAL_CODES = EXPIRED_CODES | {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"}
FORBIDDEN_CODES = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})


class OutOfTimeError(TimeoutError):
    """The time for the whole of a call is over: no further try."""


def endpoint_url() -> str | None:
    """The store's address from the environment; None is AWS itself."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def error_code(error: BaseException) -> str | None:
    """The store's code for an error, where the store gave one (s3fs keeps it as the cause)."""
    origin = error if isinstance(error, ClientError) else error.__cause__
    return str(origin.response.get("Error", {}).get("Code")) if isinstance(origin, ClientError) else None


def is_retryable(error: Exception) -> bool:
    """Whether the same call may work a little later."""
    if isinstance(error, ShardError | OutOfTimeError):
        return False
    origin = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(origin, ClientError):
        status = int(origin.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return error_code(error) in RETRYABLE_CODES or status == 429 or (status >= 500 and status != 501)
    return isinstance(error, RETRYABLE_TYPES) or (
        isinstance(error, OSError) and error.errno in RETRYABLE_ERRNOS
    )


def is_expired(error: Exception) -> bool:
    """Whether the credentials were good and are no longer."""
    return error_code(error) in EXPIRED_CODES


def explain(error: Exception, url: str, action: str) -> ShardError:
    """The error for a person: which url, what happened, what to do."""
    code = error_code(error)
    endpoint = endpoint_url() or "AWS S3"
    bucket = url.removeprefix("s3://").partition("/")[0]
    if code == "NoSuchBucket":
        return NotFoundError(
            f"cannot {action} {url}: there is no bucket {bucket!r} at {endpoint}; make it, or correct "
            "the url or AWS_ENDPOINT_URL"
        )
    if code in NOT_FOUND_CODES or isinstance(error, FileNotFoundError):
        return NotFoundError(f"cannot {action} {url}: it does not exist at {endpoint}")
    if code in CREDENTIAL_CODES or isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ShardError(
            f"cannot {action} {url}: {endpoint} does not accept the credentials ({code or error}); check "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_ENDPOINT_URL"
        )
    if code in FORBIDDEN_CODES or isinstance(error, PermissionError):
        return ShardError(
            f"cannot {action} {url}: {endpoint} forbids it; check that AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY are right and that the account may do this in bucket {bucket!r}"
        )
    if code in ("InvalidRange", "416"):
        return ShardError(f"cannot {action} {url}: the bytes asked for lie beyond its end; is it cut short?")
    if isinstance(error, OutOfTimeError):
        return ShardError(f"cannot {action} {url} from {endpoint}: {error}; check the network and the store")
    if is_retryable(error):
        return ShardError(
            f"cannot {action} {url}: {endpoint} did not do it, tried several times "
            f"(last: {type(error).__name__}: {error}); check that it runs and that AWS_ENDPOINT_URL is right"
        )
    return ShardError(f"cannot {action} {url} at {endpoint}: {type(error).__name__}: {error}")
