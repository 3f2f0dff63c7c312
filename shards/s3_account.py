"""Who reads from which S3 store: the account, its signatures, and the connections to the store.

Botocore finds the credentials (environment, profiles, roles that expire), the endpoint, the region and the
style of the address, and signs. A signature does not cover the range, so the one for an object serves for a
few minutes of ranges.
"""

import io
import os
import ssl
import threading
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies, percent_encode

from shards.errors import ShardError
from shards.s3_http import Pool, Route

ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)
"""What makes another account or another store of it."""

SIGNATURE_SECONDS = 300.0
"""A store takes one for 15 minutes by its own clock, which may differ from ours by what is left."""
SIGNATURES_KEPT = 10_000
EXAMPLE = "key"


def split(url: str) -> tuple[str, str]:
    """`s3://bucket/key` -> (bucket, key)."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise ShardError(f"{url!r} names no bucket; wanted s3://BUCKET/PATH")
    return bucket, key


class Bucket(NamedTuple):
    """Where a bucket's objects are."""

    pool: Pool
    base: str
    """The url before a key."""
    region: str


class Signed(NamedTuple):
    """What a GET says to read an object or any range of it."""

    path: str
    """Quoted."""
    headers: dict[str, str]
    credentials: Credentials
    """That it was signed with."""


class Account:
    """Credentials, and the stores that they are for."""

    def __init__(self) -> None:
        session = Session()
        self._credentials = _found(session)
        # It only says where things are: what it signs is never sent.
        nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
        self._client = session.create_client("s3", **nobody)
        self._ca_bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()
        self.bucket = lru_cache(maxsize=1_000)(self._find)
        self._signatures = lru_cache(maxsize=SIGNATURES_KEPT)(self._sign)

    def signed(self, bucket: str, key: str) -> Signed:
        """How to ask for an object.

        Raises:
            CredentialRetrievalError: the place that credentials come from does not give new ones.
        """
        return self._signatures(bucket, key, self._credentials, int(monotonic() / SIGNATURE_SECONDS))

    def renew(self, used: Credentials) -> None:
        """Look for credentials anew, unless somebody did since `used` were this account's.

        Raises:
            NoCredentialsError: there are none any more.
        """
        with self._lock:
            if self._credentials is used:
                self._credentials = _found(Session())

    def _sign(self, bucket: str, key: str, credentials: Credentials, period: int) -> Signed:
        place = self.bucket(bucket)
        request = AWSRequest("GET", place.base + percent_encode(key, safe="/~"))
        try:
            frozen = credentials.get_frozen_credentials()
        except RuntimeError as error:  # botocore's, for a role whose refreshed credentials are old, too
            raise CredentialRetrievalError(provider=credentials.method, error_msg=error) from error
        S3SigV4Auth(frozen, "s3", place.region).add_auth(request)
        return Signed(urlsplit(request.url).path, dict(request.headers.items()), credentials)

    def _find(self, bucket: str) -> Bucket:
        url, region = self._asked(bucket)
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            pool = self._pools.get(origin)
            if pool is None:
                pool = self._pools[origin] = Pool(self._route(origin))
        return Bucket(pool, url.removesuffix(EXAMPLE), region)

    def _asked(self, bucket: str) -> tuple[str, str]:
        """The url of EXAMPLE in a bucket and the region it is signed for, from botocore's own request.

        (Its presigned urls are no source: outside of us-east-1 they name the global endpoint.)
        """
        asked: list[AWSPreparedRequest] = []

        def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            asked.append(request)
            return AWSResponse(request.url, 200, {}, io.BytesIO())

        with self._lock:
            self._client.meta.events.register_first("before-send.s3.GetObject", answer)
            self._client.get_object(Bucket=bucket, Key=EXAMPLE)
            self._client.meta.events.unregister("before-send.s3.GetObject", answer)
        signature = asked[0].headers["Authorization"].decode()
        return asked[0].url, signature.partition("Credential=")[2].split("/")[2]

    def _route(self, origin: str) -> Route:
        parts = urlsplit(origin)
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_bundle or get_cert_path(True))
        proxy = get_environ_proxies(origin).get(parts.scheme)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Route(parts.scheme, parts.hostname or "", port, context, proxy)


_accounts: dict[tuple[str | None, ...], Account] = {}
_lock = threading.Lock()


def current() -> Account:
    """This process's account for the environment as it is now."""
    key = tuple(os.environ.get(name) for name in ENVIRONMENT)
    found = _accounts.get(key)
    if found is None:
        with _lock:
            found = _accounts.get(key)
            if found is None:
                found = _accounts[key] = Account()
    return found


def _found(session: Session) -> Credentials:
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _start_anew() -> None:
    """A forked child shares no connection with its parent, and no lock that another thread held."""
    global _accounts, _lock
    _accounts, _lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_start_anew)
