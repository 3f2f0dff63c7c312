"""Local room for a pack in progress: encoded frames and facts of each video, until its unit is written.

Decoded frames never come here and encoded ones never pile up in memory.
"""

import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shards.errors import ShardError

PREFIX = "facscale-pack-"
LOCK_NAME = "lock"


@dataclass(frozen=True)
class Piece:
    """A sample as it lies in a video's spool; offsets count from the start of the spool's frame file."""

    key: str
    track: int
    piece: int
    next_key: str | None
    time_seconds: list[float]
    frame_number: list[int]
    offset: list[int]
    length: list[int]
    score: list[float | None]
    landmarks: list[list[float]]
    occurrence: list[list[int]] | None
    intensity: list[list[int]] | None
    quality: dict[str, float | None]
    """Medians over the frames, by name (shards/pack/faces/quality.py)."""


@contextmanager
def spool_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for this pack, removed at the end; those of packers that died are removed first.

    A living packer holds a lock in its folder, which its death of any kind gives up.
    """
    root = parent or Path(tempfile.gettempdir())
    root.mkdir(parents=True, exist_ok=True)
    remove_left_behind(root)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    with (folder / LOCK_NAME).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def remove_left_behind(root: Path) -> None:
    """Remove the folders of packers that died."""
    for lock in root.glob(f"{PREFIX}*/{LOCK_NAME}"):
        _remove_if_dead(lock)


def _remove_if_dead(lock_path: Path) -> None:
    try:
        with lock_path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.parent)
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return  # alive, another user's, or gone meanwhile: not ours to remove


def video_hash(namespace: str, video_id: str) -> str:
    """16 hex digits that stand for a video in keys."""
    return hashlib.blake2b(f"{namespace}/{video_id}".encode(), digest_size=8).hexdigest()


class VideoSpool:
    """One video's frame file and its pieces, a JSON line each."""

    def __init__(self, folder: Path, name: str) -> None:
        self.frames_path = folder / f"{name}.mjpeg"
        self.pieces_path = folder / f"{name}.jsonl"

    def lines(self) -> Iterator[tuple[int, Piece]]:
        """All pieces, each with the place of its line for `piece_at`."""
        place = 0
        with self.pieces_path.open("rb") as lines:
            for line in lines:
                yield place, Piece(**json.loads(line))
                place += len(line)

    def piece_at(self, place: int) -> Piece:
        with self.pieces_path.open("rb") as lines:
            lines.seek(place)
            return Piece(**json.loads(lines.readline()))

    def frames(self, piece: Piece) -> list[bytes]:
        """A piece's JPEG files."""
        with self.frames_path.open("rb") as file:
            return [_read(file, *place) for place in zip(piece.offset, piece.length, strict=True)]

    def clear(self) -> None:
        """Make it the spool of a video that gave nothing."""
        self.frames_path.write_bytes(b"")
        self.pieces_path.write_bytes(b"")

    def remove(self) -> None:
        self.frames_path.unlink(missing_ok=True)
        self.pieces_path.unlink(missing_ok=True)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Say what to do when the disk of a spool is full.

    Raises:
        ShardError: it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ShardError(
            f"no room is left in {folder} for encoded frames; make room or give another folder with --spool, "
            "and pack again: finished units stay"
        ) from error


def piece_line(piece: Piece) -> str:
    """A piece as a line of the spool."""
    return json.dumps(asdict(piece), separators=(",", ":")) + "\n"


def _read(file: Any, offset: int, length: int) -> bytes:
    file.seek(offset)
    data: bytes = file.read(length)
    return data
