"""Rights and promises of a store, asked of a real one; each is named where it is missing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from ray_jobs.preflight_store import check_rights, check_store_clock
from shards import storage
from shards.s3_account import split

RIGHTS = ("write", "read", "list", "multipart", "If-None-Match", "If-Match", "delete")


@contextmanager
def forbidden(url: str, action: str) -> Iterator[None]:
    """The store refuses one action below `url`, by its bucket's policy."""
    bucket, key = split(url)
    place = [f"arn:aws:s3:::{bucket}/{key}/*"]
    if action == "s3:ListBucket":
        place = [f"arn:aws:s3:::{bucket}"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": [action], "Resource": place}
    client = boto3.client("s3")
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    try:
        yield
    finally:
        client.delete_bucket_policy(Bucket=bucket)


def wrong(url: str) -> list[str]:
    found = list(check_rights(url))
    assert [check.name for check in found] == [f"run.url {name}" for name in RIGHTS]
    return [check.name.removeprefix("run.url ") for check in found if not check.ok]


def test_all_rights_are_there_and_nothing_is_left(any_url):
    assert wrong(any_url) == []
    assert storage.list_names(any_url) == []


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("s3:DeleteObject", ["delete"]),
        ("s3:PutObject", ["write", "read", "list", "multipart", "If-None-Match", "If-Match"]),
        ("s3:GetObject", ["read"]),
        ("s3:ListBucket", ["list", "delete"]),
    ],
)
def test_a_right_that_is_missing_is_named(bucket_url, action, missing):
    with forbidden(bucket_url, action):
        assert set(wrong(bucket_url)) & set(missing) == set(missing)


def test_the_line_says_what_to_do(bucket_url):
    with forbidden(bucket_url, "s3:DeleteObject"):
        (line,) = (check.line for check in check_rights(bucket_url) if not check.ok)
    assert line.startswith("wrong  run.url delete: cannot delete s3://")
    assert line.endswith("; give the account this right below run.url, or another run.url")


class Careless(BaseHTTPRequestHandler):
    """A store of one object that takes every write, and whose clock stands still."""

    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes = b"", etag: str = '"e"') -> None:
        self.send_response_only(200)
        self.send_header("Date", "Sun, 01 Nov 2026 00:00:00 GMT")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def careless(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    endpoint = f"http://127.0.0.1:{server.server_port}"
    for name, value in {**names, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    yield "s3://bucket/run"
    server.shutdown()
    server.server_close()


def test_a_store_that_ignores_conditions_is_wrong(careless):
    found = {check.name: check for check in check_rights(careless)}
    assert "which If-None-Match: * forbids" in found["run.url If-None-Match"].found
    assert "another one than If-Match names" in found["run.url If-Match"].found
    assert found["run.url If-Match"].todo.startswith("use a store with conditional writes")


def test_a_store_whose_clock_is_elsewhere_is_wrong(careless):
    check = check_store_clock(careless, most_seconds=60)
    assert not check.ok
    assert "set the clocks by NTP" in check.line


def test_a_store_whose_clock_is_right(bucket_url):
    assert check_store_clock(bucket_url, most_seconds=60).ok
    assert check_store_clock("folder", most_seconds=0).ok
