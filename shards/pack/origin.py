"""Where a data set's files are: in a folder, or in an S3 store from which each comes when it is needed.

Layouts know folders only. For a data set in a store, a folder of the same names is made: label files are
copied to it, videos and pictures are empty there, and the process that packs one fetches it into its spool.
On other machines of a cluster only the label files that were needed are there; the next pack removes them.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from shards import storage
from shards.errors import ShardError
from shards.layouts.layout import Source, is_image, is_video
from shards.pack.spool import LOCK_NAME, PREFIX, remove_left_behind
from shards.schema import digest_of

SAMPLED_BYTES = 64 * 1024
"""Read from both ends of a file to know it again; its size is compared as well."""
FILES_AT_ONCE = 16
"""Label files that are copied from a store beside one another."""


class Origin(Protocol):
    """A data set's files; picklable, since each worker fetches its own."""

    @property
    def root(self) -> Path:
        """The data set as a layout reads it."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file below `root`."""
        ...

    def mark(self, path: Path) -> str:
        """Tells the file from others of its size without reading all of it."""
        ...

    def content_mark(self, path: Path) -> str:
        """Equal only where the whole content is."""
        ...

    def part(self, sources: list[Source]) -> "Origin":
        """Enough of this origin to fetch these sources: what a worker's job carries."""
        ...

    def fetched(self, source: Source, room: Path) -> AbstractContextManager[Source]:
        """The source with all its files on this machine, in `room` where they come from elsewhere.

        Raises:
            ShardError: they cannot be had.
        """
        ...


@dataclass(frozen=True)
class LocalOrigin:
    """A folder that every packing process sees."""

    root: Path

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def mark(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            digest.update(file.read(SAMPLED_BYTES))
            file.seek(max(0, self.size(path) - SAMPLED_BYTES))
            digest.update(file.read(SAMPLED_BYTES))
        return digest.hexdigest()

    def content_mark(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def part(self, sources: list[Source]) -> "LocalOrigin":
        return self

    @contextmanager
    def fetched(self, source: Source, room: Path) -> Iterator[Source]:
        if not self.root.exists():
            raise ShardError(
                f"this machine does not see {self.root}; the machines of a cluster need a shared folder, or "
                "the data set in S3 (s3://BUCKET/PATH)"
            )
        yield source


@dataclass(frozen=True)
class StoreOrigin:
    """Objects below an s3:// url, with a folder of their names at `root`."""

    url: str
    root: Path
    files: dict[str, storage.StoredFile]
    """By name relative to the url."""

    def size(self, path: Path) -> int:
        return self._file(path).bytes

    def mark(self, path: Path) -> str:
        return self._file(path).etag

    content_mark = mark

    def part(self, sources: list[Source]) -> "StoreOrigin":
        names = [name for source in sources for name in (*self._media(source), *self._labels(source))]
        return replace(self, files={name: self.files[name] for name in names})

    @contextmanager
    def fetched(self, source: Source, room: Path) -> Iterator[Source]:
        folder = room / f"source-{digest_of(source.video_id)[:16]}"
        with _kept(self.root):
            for name in self._labels(source):
                if not (self.root / name).exists():
                    self._fetch(name, self.root / name)
            try:
                for name in self._media(source):
                    self._fetch(name, folder / (self.root / name).relative_to(source.path.parent))
                yield replace(source, path=folder / source.path.name)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _media(self, source: Source) -> list[str]:
        """A video's or picture's own name, or those of all files of a folder of pictures."""
        own = self._name(source.path)
        if own in self.files:
            return [own]
        if source.path.is_dir():  # where the folder of names is, it answers faster than a search of all names
            return sorted(self._name(path) for path in source.path.iterdir())
        names = sorted(name for name in self.files if name.startswith(f"{own}/"))
        if not names:
            raise KeyError(f"{own} is in another part of {self.url}")
        return names

    def _labels(self, source: Source) -> list[str]:
        return [self._name(path) for path in source.label_files]

    def _fetch(self, name: str, path: Path) -> None:
        storage.fetch(storage.join(self.url, name), path, self.files[name].bytes)

    def _file(self, path: Path) -> storage.StoredFile:
        return self.files[self._name(path)]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


@contextmanager
def open_origin(place: str, room: Path | None = None) -> Iterator[Origin]:
    """The data set at `place`, a folder or an s3:// url; a folder of names in `room` is gone at the end.

    Raises:
        ShardError: there is nothing.
    """
    if not storage.is_s3(place):
        yield LocalOrigin(Path(place.removeprefix("file://")))
        return
    files = {file.name: file for file in storage.list_files(place)}
    if not files:
        raise ShardError(f"{place} holds no objects; give the prefix that holds the data set")
    parent = room or Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(parent)
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)) / "source"
    with _kept(root):
        origin = StoreOrigin(place, root, files)
        try:
            with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
                for _ in pool.map(partial(_place_name, origin), files):
                    pass  # an error comes out here
            yield origin
        finally:
            shutil.rmtree(root.parent)


def source_bytes(source: Source, origin: Origin) -> int:
    """Bytes of a source's video, picture, or all its pictures."""
    if source.path.is_dir():
        return sum(origin.size(path) for path in source.path.iterdir() if path.is_file())
    return origin.size(source.path)


def fingerprint(source: Source, origin: Origin) -> str:
    """Tells a source and its labels from others.

    Of a video: size and mark. Of a folder of pictures: all names and sizes, and the marks of the first and
    the last picture. Of the label files: everything.
    """
    if source.path.is_dir():
        files = sorted(path for path in source.path.iterdir() if path.is_file())
        marks = [origin.mark(path) for path in [*files[:1], *files[-1:]]]
        pixels = [digest_of([[path.name, origin.size(path)] for path in files]), *marks]
    else:
        pixels = [str(origin.size(source.path)), origin.mark(source.path)]
    labels = [hashlib.sha256(path.read_bytes()).hexdigest() for path in source.label_files]
    shown = [] if source.expression is None else [source.expression]
    failures = [asdict(failure) for failure in source.failures]
    facts = [*pixels, source.identity, source.activity, source.first_frame, labels, *shown, failures]
    return digest_of(facts)[:16]


def _place_name(origin: StoreOrigin, name: str) -> None:
    path = origin.root / name
    if not path.resolve().is_relative_to(origin.root.resolve()):
        raise ShardError(f"{origin.url} has an object named {name!r}, which leaves its folder; rename it")
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_video(path) or is_image(path):
        path.touch()
    else:
        storage.fetch(storage.join(origin.url, name), path, origin.files[name].bytes)


@contextmanager
def _kept(root: Path) -> Iterator[None]:
    """While any process is inside, no packer takes the folder around `root` for one that was left behind."""
    root.mkdir(parents=True, exist_ok=True)
    with (root.parent / LOCK_NAME).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
