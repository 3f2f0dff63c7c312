"""Samples into tar shards: plain USTAR, no clock in it, and the place and CRC of all that is written.

Axes: T frames of a sample, A action units.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.look import look_of
from shards.schema import (
    EXPRESSION_FACT,
    FACTS_MEMBER,
    FRAMES_MEMBER,
    INTENSITY_MEMBER,
    OCCURRENCE_MEMBER,
    FileEntry,
    Member,
    SampleRow,
    shard_name,
)

BLOCK = 512
MAX_NAME = 100
MAX_MEMBER_BYTES = 8 * 2**30
END_OF_ARCHIVE = bytes(2 * BLOCK)


@dataclass(frozen=True)
class Sample:
    """What one sample holds, before it has a place in a shard."""

    key: str
    identity: str
    video: str
    track: int
    piece: int
    next_key: str | None
    activity: str | None
    time_seconds: list[float]
    frame_number: list[int]
    frames: list[bytes]
    """One JPEG file each."""
    occurrence_TA: NDArray[np.int8] | None = None
    intensity_TA: NDArray[np.int8] | None = None
    expression: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What `<key>.json` says beyond the index row."""


def tar_header(name: str, length: int) -> bytes:
    """A USTAR header block with mode 0644, owner 0 and integer time 0."""
    encoded = name.encode("ascii")
    if len(encoded) > MAX_NAME or length >= MAX_MEMBER_BYTES:
        raise ShardError(
            f"tar member {name!r} of {length} bytes does not fit plain USTAR "
            f"(names up to {MAX_NAME} characters, members under {MAX_MEMBER_BYTES} bytes)"
        )
    head = b"%-100b0000644\x000000000\x000000000\x00%011o\x0000000000000\x00" % (b"", length)
    block = bytearray(head + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000")
    block[:100] = encoded.ljust(100, b"\0")
    block += bytes(BLOCK - len(block))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def label_bytes(labels_TA: NDArray[np.int8]) -> bytes:
    """An array as an .npy file."""
    sink = io.BytesIO()
    np.lib.format.write_array(sink, np.ascontiguousarray(labels_TA, np.int8), version=(1, 0))
    return sink.getvalue()


class ShardWriter:
    """Writes one unit's samples to local tars under `folder`, a new one when bytes or samples are reached.

    `on_shard(path, entry)` is called for every closed shard, which may then be moved away.
    """

    def __init__(
        self,
        folder: Path,
        unit: str,
        max_bytes: int,
        max_samples: int,
        on_shard: Callable[[Path, FileEntry], None] | None = None,
    ) -> None:
        self.shards: list[FileEntry] = []
        self._folder = folder
        self._unit = unit
        self._max_bytes = max_bytes
        self._max_samples = max_samples
        self._on_shard = on_shard
        self._file: IO[bytes] | None = None
        self._sha256 = hashlib.sha256()
        self._offset = 0
        self._samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._close_shard()
        elif self._file is not None:
            self._file.close()

    def add(self, sample: Sample) -> SampleRow:
        """Append a sample; returns its index row."""
        if not sample.frames:
            raise ValueError(f"sample {sample.key} has no frames")
        payloads = {FRAMES_MEMBER: b"".join(sample.frames), FACTS_MEMBER: _facts(sample)}
        for name, labels_TA in (
            (OCCURRENCE_MEMBER, sample.occurrence_TA),
            (INTENSITY_MEMBER, sample.intensity_TA),
        ):
            if labels_TA is not None:
                if labels_TA.shape[0] != len(sample.frames):
                    raise ValueError(
                        f"{sample.key}.{name}: {labels_TA.shape} for {len(sample.frames)} frames"
                    )
                payloads[name] = label_bytes(labels_TA)
        needed = sum(BLOCK + _padded(len(payload)) for payload in payloads.values())
        if self._samples and (
            self._samples >= self._max_samples
            or self._offset + needed + len(END_OF_ARCHIVE) > self._max_bytes
        ):
            self._close_shard()
        members = [self._write_member(f"{sample.key}.{name}", data) for name, data in payloads.items()]
        self._samples += 1
        return self._row(sample, members)

    def _row(self, sample: Sample, members: list[Member]) -> SampleRow:
        lengths = [len(frame) for frame in sample.frames]
        starts = np.cumsum([members[0].offset, *lengths[:-1]]).tolist()
        return SampleRow(
            key=sample.key,
            shard=shard_name(self._unit, len(self.shards)),
            identity=sample.identity,
            video=sample.video,
            track=sample.track,
            piece=sample.piece,
            next_key=sample.next_key,
            activity=sample.activity,
            expression=sample.expression,
            num_frames=len(sample.frames),
            time_seconds=sample.time_seconds,
            frame_number=sample.frame_number,
            frame_offset=starts,
            frame_length=lengths,
            frame_crc32=[zlib.crc32(frame) for frame in sample.frames],
            members=members,
            has_occurrence=sample.occurrence_TA is not None,
            has_intensity=sample.intensity_TA is not None,
            look=look_of(simplejpeg.decode_jpeg(sample.frames[0], colorspace="GRAY")[..., 0]),
        )

    def _write_member(self, name: str, data: bytes) -> Member:
        self._write(tar_header(name, len(data)))
        member = Member(name, self._offset, len(data), zlib.crc32(data))
        self._write(data)
        self._write(bytes(_padded(len(data)) - len(data)))
        return member

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        self._file.write(data)
        self._sha256.update(data)
        self._offset += len(data)

    @property
    def _path(self) -> Path:
        return self._folder / shard_name(self._unit, len(self.shards))

    def _close_shard(self) -> None:
        if self._file is None:
            return
        self._write(END_OF_ARCHIVE)
        self._file.close()
        path = self._path
        name = shard_name(self._unit, len(self.shards))
        entry = FileEntry(name, self._samples, self._offset, self._sha256.hexdigest())
        self.shards.append(entry)
        self._file, self._sha256, self._offset, self._samples = None, hashlib.sha256(), 0, 0
        if self._on_shard is not None:
            self._on_shard(path, entry)


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _facts(sample: Sample) -> bytes:
    facts = {
        "key": sample.key,
        "identity": sample.identity,
        "video": sample.video,
        "track": sample.track,
        "piece": sample.piece,
        "next_key": sample.next_key,
        "activity": sample.activity,
        "num_frames": len(sample.frames),
        "time_seconds": sample.time_seconds,
        "frame_number": sample.frame_number,
        "frame_length": [len(frame) for frame in sample.frames],
    }
    shown = {} if sample.expression is None else {EXPRESSION_FACT: sample.expression}
    return json.dumps(facts | shown | sample.facts, sort_keys=True, separators=(",", ":")).encode()
