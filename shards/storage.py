"""Files of a shard set on a local path or in an S3 store, behind one small set of functions.

A `url` is `s3://bucket/path`, `file:///path` or a local path. Every function may be called from several
threads and in any process; a passing fault of the store is retried with a deadline, anything else is a
`ShardError` that says which url, what happened and what to do. A write is visible whole or not at all.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shards.errors import NotFoundError, ShardError

TEMPORARY_SUFFIX = ".partial"


@dataclass(frozen=True)
class StoredFile:
    """An object of an S3 store as its listing shows it."""

    name: str
    """Relative to the url that was listed."""
    bytes: int
    etag: str
    """Changes with the content."""


def join(url: str, *parts: str) -> str:
    """`url` with `parts` below it."""
    return "/".join([url.rstrip("/"), *(part.strip("/") for part in parts)])


def is_s3(url: str) -> bool:
    """Whether `url` is in an S3 store; False is a local path.

    Raises:
        ShardError: another scheme.
    """
    scheme, found, _ = url.partition("://")
    if found and scheme not in ("s3", "file"):
        raise ShardError(f"{url!r} has scheme {scheme!r}; wanted s3://BUCKET/PATH or a local path")
    return scheme == "s3" and bool(found)


def read_bytes(url: str) -> bytes:
    """The whole object."""
    if is_s3(url):
        from shards import s3_ranges

        return s3_ranges.read(url)
    with _explained(url, "read"):
        return _path(url).read_bytes()


def read_range(url: str, start: int, length: int) -> bytes:
    """`length` bytes from byte `start` on.

    Raises:
        ShardError: the object ends before that.
    """
    if start < 0 or length < 0:
        raise ValueError(f"a range needs start >= 0 and length >= 0, found {start} and {length}")
    if length == 0:
        return b""
    if is_s3(url):
        from shards import s3_ranges

        data = s3_ranges.read_range(url, start, length)
    else:
        with _explained(url, "read"), _path(url).open("rb") as file:
            file.seek(start)
            data = file.read(length)
    _check_whole(url, start, length, len(data))
    return data


def read_into(url: str, start: int, buffer: memoryview) -> None:
    """Fill `buffer` (of bytes) from byte `start` on: `read_range` without memory of its own.

    Raises:
        ShardError: the object ends before that.
    """
    if start < 0:
        raise ValueError(f"a range needs start >= 0, found {start}")
    if len(buffer) == 0:
        return
    if is_s3(url):
        from shards import s3_ranges

        count = s3_ranges.read_into(url, start, buffer)
    else:
        with _explained(url, "read"), _path(url).open("rb", buffering=0) as file:
            file.seek(start)
            count = 0
            while count < len(buffer) and (more := file.readinto(buffer[count:])):
                count += more
    _check_whole(url, start, len(buffer), count)


def size(url: str) -> int:
    """Bytes of the object."""
    if is_s3(url):
        from shards import s3

        return s3.size(url)
    with _explained(url, "look up"):
        return _path(url).stat().st_size


def write_bytes(url: str, data: bytes) -> None:
    """Put `data` at its final name, replacing what is there, and check what was stored."""
    if is_s3(url):
        from shards import s3

        s3.put(url, data)
        return
    with _explained(url, "write"), _temporary(_path(url)) as temporary:
        _write_durably(temporary, lambda sink: sink.write_bytes(data))
        temporary.replace(_path(url))
        _sync_folder(_path(url).parent)
    _check_size(url, len(data))


def write_file(url: str, path: Path) -> None:
    """Put a local file at its final name, in parts where it is large; checked like `write_bytes`."""
    if is_s3(url):
        from shards import s3

        with _explained(str(path), "read"):
            s3.put_file(url, path)
        return
    with _explained(url, "write"), _temporary(_path(url)) as temporary:
        _write_durably(temporary, lambda sink: shutil.copyfile(path, sink))
        temporary.replace(_path(url))
        _sync_folder(_path(url).parent)
    _check_size(url, path.stat().st_size)


def write_if_absent(url: str, data: bytes) -> bool:
    """Put `data` only where nothing is; whether it was put. Of several callers exactly one gets True."""
    if is_s3(url):
        from shards import s3

        return s3.put_if_absent(url, data)
    with _explained(url, "write"), _temporary(_path(url)) as temporary:
        _write_durably(temporary, lambda sink: sink.write_bytes(data))
        try:
            os.link(temporary, _path(url))
        except FileExistsError:
            return False
        _sync_folder(_path(url).parent)
    return True


def exists(url: str) -> bool:
    """Whether there is an object of exactly this name."""
    if is_s3(url):
        from shards import s3

        return s3.exists(url)
    with _explained(url, "look up"):
        return _path(url).is_file()


def list_names(url: str) -> list[str]:
    """Names of all objects below `url`, relative to it and sorted; empty where there is nothing."""
    if is_s3(url):
        from shards import s3

        return s3.list_names(url)
    root = _path(url)
    with _explained(url, "list"):
        return sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.is_file() and not path.name.endswith(TEMPORARY_SUFFIX)
        )


def list_sizes(url: str) -> dict[str, int]:
    """Bytes of each object below `url`, by the names of `list_names`; one look however many there are."""
    if is_s3(url):
        from shards import s3

        return {name: count for name, count, _ in s3.list_entries(url)}
    root = _path(url)
    with _explained(url, "list"):
        return {name: (root / name).stat().st_size for name in list_names(url)}


def download(url: str, names: Iterable[str], folder: Path) -> None:
    """Copies of small objects below `url`, by names that `list_names` gave, of the same names in `folder`."""
    for name in names:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(read_bytes(join(url, name)))


def list_files(url: str) -> list[StoredFile]:
    """All objects below an s3:// url, sorted by name."""
    from shards import s3

    return [StoredFile(*entry) for entry in s3.list_entries(url)]


def fetch(url: str, path: Path, expected_bytes: int) -> None:
    """Copy an object of an S3 store to a local file, which is there whole or not at all.

    Raises:
        ShardError: it has another size by now.
    """
    from shards import s3

    with _explained(str(path), "write"), _temporary(path) as temporary:
        s3.get_file(url, temporary)
        found = temporary.stat().st_size
        if found != expected_bytes:
            raise ShardError(f"{url} has {found} bytes and had {expected_bytes} when listed; pack again")
        temporary.replace(path)


def delete(url: str) -> None:
    """Remove the object; nothing happens where there is none."""
    if is_s3(url):
        from shards import s3

        s3.delete(url)
        return
    with _explained(url, "delete"):
        _path(url).unlink(missing_ok=True)


def _path(url: str) -> Path:
    return Path(url.removeprefix("file://"))


@contextmanager
def _explained(url: str, action: str) -> Iterator[None]:
    """Turn the operating system's errors into ones that a person can act on."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot {action} {url}: it does not exist") from error
    except PermissionError as error:
        raise ShardError(f"cannot {action} {url}: this user may not; check owner and mode") from error
    except OSError as error:
        raise ShardError(f"cannot {action} {url}: {error.strerror or error}") from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` that `list_names` does not show; what is left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Write and flush to disk, so that a power loss after the rename cannot leave an empty file."""
    write(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_whole(url: str, start: int, wanted: int, found: int) -> None:
    if found != wanted:
        raise ShardError(
            f"{url}: wanted {wanted} bytes from byte {start}, got {found}; the file is cut short, "
            "run `python -m shards verify` on the set"
        )


def _check_size(url: str, wanted: int) -> None:
    found = size(url)
    if found != wanted:
        raise ShardError(f"{url} has {found} bytes after writing {wanted}; is the disk full or shared?")
