import errno
import socket
import ssl
from http.client import BadStatusLine, IncompleteRead

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
)

from shards.errors import NotFoundError, ShardError
from shards.s3_errors import RETRYABLE_CODES, OutOfTimeError, explain, is_expired, is_retryable


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


def translated(code: str, status: int) -> OSError:
    """As s3fs gives it."""
    error = OSError(5, code)
    error.__cause__ = client_error(code, status)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        IncompleteRead(b""),
        ConnectTimeoutError(endpoint_url="x"),
        EndpointConnectionError(endpoint_url="x"),
        aiohttp.ClientPayloadError(),
        BadStatusLine("gibberish"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        CredentialRetrievalError(provider="iam-role", error_msg="gone for a while"),
        client_error("500", 500),
        client_error("TooManyRequests", 429),
        translated("502", 502),
        translated("503", 503),
        *(translated(code, 400) for code in sorted(RETRYABLE_CODES)),
    ],
    ids=lambda error: f"{type(error).__name__}-{error}"[:40],
)
def test_passing_faults(error: Exception) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        translated("NoSuchKey", 404),
        translated("NoSuchBucket", 404),
        translated("AccessDenied", 403),
        translated("SignatureDoesNotMatch", 403),
        translated("InvalidRange", 416),
        translated("PreconditionFailed", 412),
        translated("NotImplemented", 501),
        NoCredentialsError(),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        OutOfTimeError("its bytes come too slowly"),
        OSError(errno.ENOSPC, "No space left on device"),
        ShardError("ours"),
        ValueError(),
    ],
    ids=lambda error: f"{type(error).__name__}-{error}"[:40],
)
def test_lasting_faults(error: Exception) -> None:
    assert not is_retryable(error)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (translated("NoSuchBucket", 404), NotFoundError, "no bucket 'b' at AWS S3; make it"),
        (translated("404", 404), NotFoundError, "cannot read s3://b/k: it does not exist"),
        (translated("ExpiredToken", 400), ShardError, "AWS_SESSION_TOKEN"),
        (NoCredentialsError(), ShardError, "does not accept the credentials"),
        (translated("403", 403), ShardError, "forbids it; check"),
        (translated("416", 416), ShardError, "beyond its end"),
        (OutOfTimeError("its bytes come too slowly"), ShardError, "too slowly; check the network"),
        (translated("SlowDown", 503), ShardError, "tried several times"),
        (translated("Odd", 400), ShardError, "OSError.*Odd"),
    ],
)
def test_explanations(
    error: Exception, kind: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(kind, match=says):
        raise explain(error, "s3://b/k", "read")


def test_only_credentials_that_were_good_are_expired() -> None:
    assert is_expired(translated("ExpiredToken", 400))
    assert is_expired(client_error("ExpiredToken", 403))
    assert not is_expired(client_error("InvalidAccessKeyId", 403))
    assert not is_expired(TimeoutError())
