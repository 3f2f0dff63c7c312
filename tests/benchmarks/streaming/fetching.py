"""What S3 clients give when they read whole objects one after another and do nothing with the bytes.

PEERS_PYTHON -m tests.benchmarks.streaming.fetching CLIENT s3://BUCKET/PREFIX
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3

from tests.benchmarks.streaming.measure import cpu_seconds

CHUNK_BYTES = 2**20


def s3fs_open() -> Callable[[str, str], int]:
    import s3fs

    filesystem = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])

    def read(bucket: str, key: str) -> int:
        with filesystem.open(f"{bucket}/{key}") as file:
            return len(file.read())

    return read


def boto3_stream() -> Callable[[str, str], int]:
    client = boto3.client("s3")

    def read(bucket: str, key: str) -> int:
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        return sum(len(chunk) for chunk in body.iter_chunks(CHUNK_BYTES))

    return read


def obstore_stream() -> Callable[[str, str], int]:
    import obstore
    from obstore.store import S3Store

    stores: dict[str, Any] = {}

    def read(bucket: str, key: str) -> int:
        if bucket not in stores:
            endpoint = os.environ["AWS_ENDPOINT_URL"]
            stores[bucket] = S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True})
        chunks = obstore.get(stores[bucket], key).stream(min_chunk_size=CHUNK_BYTES)
        return sum(len(chunk) for chunk in chunks)

    return read


def http_readinto() -> Callable[[str, str], int]:
    """Presigned urls on one connection, into one buffer: the least that Python can do."""
    client = boto3.client("s3")
    connection = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    buffer = memoryview(bytearray(CHUNK_BYTES))

    def read(bucket: str, key: str) -> int:
        url = urlsplit(client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}))
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{key}: {answer.status} {answer.read()!r}")
        return sum(iter(lambda: answer.readinto(buffer), 0))

    return read


CLIENTS = {
    "s3fs open().read()": s3fs_open,
    "boto3 stream": boto3_stream,
    "obstore stream": obstore_stream,
    "http.client readinto": http_readinto,
}


def objects(url: str) -> Iterator[tuple[str, str, int]]:
    """Bucket, key and bytes of the shards."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    pages = (
        boto3.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=f"{prefix}/shards/")
    )
    for page in pages:
        for entry in page["Contents"]:
            yield bucket, entry["Key"], entry["Size"]


def main(client: str, url: str) -> None:
    wanted, read = list(objects(url)), CLIENTS[client]()
    read(*wanted[0][:2])  # connects
    cpu_start, start = cpu_seconds(), time.perf_counter()
    total = sum(read(bucket, key) for bucket, key, _ in wanted)
    found = {
        "bytes": total,
        "wall_seconds": time.perf_counter() - start,
        "cpu_seconds": cpu_seconds() - cpu_start,
    }
    if total != sum(entry[2] for entry in wanted):
        raise RuntimeError(f"{client} read {total} bytes of {sum(entry[2] for entry in wanted)}")
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
