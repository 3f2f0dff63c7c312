"""Whether this account may do in a store all that a run does there, and whether the store keeps its word."""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from ray_jobs.preflight_check import Check, asked, judged
from shards import s3, storage
from shards.errors import ShardError
from shards.s3_account import split
from shards.s3_errors import STORE_ERRORS, error_code, explain

MULTIPART_BYTES = s3.PART_BYTES + 2**20
"""Of a file that goes up in two parts."""
RETRY_TODO = "give the account this right below run.url, or another run.url"


class _Place:
    """A name of its own below a url, and what is done there."""

    def __init__(self, url: str) -> None:
        self.url = storage.join(url, f"preflight-{secrets.token_hex(6)}")
        self.first, self.large, self.guarded = (
            storage.join(self.url, name) for name in ("first", "large", "guarded")
        )

    def write(self) -> str:
        storage.write_bytes(self.first, b"preflight")
        return "written and checked"

    def read(self) -> str:
        if storage.read_bytes(self.first) != b"preflight":
            raise ShardError(f"{self.first} gives other bytes than were written")
        return "gives back what was written"

    def list(self) -> str:
        if "first" not in storage.list_names(self.url):
            raise ShardError(f"a listing of {self.url} lacks what was just written")
        return "shows what was just written"

    def multipart(self) -> str:
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(MULTIPART_BYTES)
            storage.write_file(self.large, Path(file.name))
        return f"{MULTIPART_BYTES >> 20} MiB in two parts"

    def if_none_match(self) -> str:
        if not storage.write_if_absent(self.guarded, b"1"):
            raise ShardError(f"{self.guarded} was refused, and nothing is there")
        if storage.write_if_absent(self.guarded, b"2"):
            raise ShardError(f"the store replaced {self.guarded}, which If-None-Match: * forbids")
        return "a second writer is refused"

    def if_match(self) -> str:
        if not storage.is_s3(self.url):
            return "a folder, where it is not used"
        bucket, key = split(self.guarded)
        where = {"Bucket": bucket, "Key": key}
        try:
            call = s3.filesystem().call_s3
            etag = call("head_object", **where)["ETag"]
            call("put_object", **where, Body=b"3", IfMatch=etag)
            try:
                call("put_object", **where, Body=b"4", IfMatch=etag)
            except STORE_ERRORS as error:
                if error_code(error) not in ("PreconditionFailed", "412"):
                    raise
                return "a writer that saw an older object is refused"
        except STORE_ERRORS as error:
            raise explain(error, self.guarded, "write") from error
        raise ShardError(f"the store replaced {self.guarded}, whose ETag was another one than If-Match names")

    def delete(self) -> str:
        for url in (self.first, self.large, self.guarded):
            storage.delete(url)
        if left := storage.list_names(self.url):
            raise ShardError(f"{left} below {self.url} were deleted and are still there")
        return "nothing is left"


def check_rights(url: str) -> Iterator[Check]:
    """All that a run does at its url; what it writes there is taken away again."""
    place = _Place(url)
    todo_conditional = "use a store with conditional writes, which decide between two writers of one run"
    steps: dict[str, tuple[Callable[[], str], str]] = {
        "write": (place.write, RETRY_TODO),
        "read": (place.read, RETRY_TODO),
        "list": (place.list, RETRY_TODO),
        "multipart": (place.multipart, RETRY_TODO),
        "If-None-Match": (place.if_none_match, todo_conditional),
        "If-Match": (place.if_match, todo_conditional),
        "delete": (place.delete, RETRY_TODO),
    }
    for name, (ask, todo) in steps.items():
        yield asked(f"run.url {name}", ask, todo)


def check_store_clock(url: str, most_seconds: float) -> Check:
    """This process's clock beside the Date that the store answers with."""
    name = "clock of the store"
    if not storage.is_s3(url):
        return Check(name, "a folder, which has none")
    bucket, _ = split(url)
    before = time.time()
    try:
        answer = s3.filesystem().call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
    except STORE_ERRORS as error:
        return Check(name, str(explain(error, f"s3://{bucket}", "list")), "see run.url above")
    told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    here = (before + time.time()) / 2
    apart = abs(told - here)
    return judged(
        name,
        apart <= most_seconds,
        f"{apart:.1f} s from this node's, which it tells in whole seconds",
        f"at most {most_seconds:g} s wanted, a store refuses signatures from 900 s on; set the clocks by NTP",
    )
