"""The files of a checkpoint: its marker, and each rank's part, safetensors with a sha256 of every block.

Any range of any tensor can so be read, and checked, without the rest of the file. Blocks are of the file, not
of the tensors: a tensor of a few values needs no digest and no request of its own.

The file is made in host memory that lies as the file does. That memory is the only copy of the rank's state
that a save makes: it is hashed and sent from there, and used again by the next save.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError
from shards import storage

MARKER = "COMMITTED.json"
FORMAT = 2
"""Of marker and parts: raised when a reader of the one before would go wrong."""
BLOCK_BYTES = 2**18
"""Of a digest, and so the least that is read; a multiple of every value's size."""
READ_BYTES = 2**23
"""Of a request at most: a few of them, under way at once, hide the way to the store."""
GO_BACK = "delete {url} to go back to the checkpoint before it"
ALIGNMENT = 8
"""Of the first tensor. Larger values come first, so that every tensor is aligned."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""By safetensors' names."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_marker(url: str) -> dict[str, Any]:
    """What was written last.

    Raises:
        CheckpointError: another version of this project wrote it, or it is damaged.
    """
    try:
        marker: dict[str, Any] = json.loads(storage.read_bytes(storage.join(url, MARKER)))
    except ValueError as error:
        raise CheckpointError(f"{url}/{MARKER} is no JSON ({error}); {GO_BACK.format(url=url)}") from error
    if marker.get("format") != FORMAT:
        raise CheckpointError(
            f"{url} has format {marker.get('format', 1)}, and this version reads {FORMAT}; go on with the "
            "version that wrote it, or start another run.url"
        )
    return marker


@dataclass(frozen=True)
class Slice:
    """Where one tensor's flat values `start`..`start + numel` are stored."""

    kind: str
    name: str
    shape: list[int]
    """Of the whole tensor."""
    start: int
    numel: int
    dtype: str
    offset: int
    """First byte in the file."""


@dataclass(frozen=True)
class Part:
    """One rank's file, as the checkpoint's marker describes it."""

    file: str
    bytes: int
    block_bytes: int
    blocks: list[str]
    """sha256 of each run of `block_bytes` from the file's first byte on; the last may be shorter."""
    slices: list[Slice]

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Part":
        return cls(**{**entry, "slices": [Slice(**one) for one in entry["slices"]]})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Copy:
    """Values of a part, and where they go."""

    offset: int
    """First byte in the file."""
    values: Tensor
    """Takes them: flat, of any device; of as many values as are copied."""
    dtype: str
    """In the file."""

    @property
    def end(self) -> int:
        """The byte after the last one."""
        return self.offset + self.values.numel() * DTYPES[self.dtype].itemsize

    def within(self, start: int, end: int) -> "Copy":
        """What of it lies in these bytes of the file, which cut through no value."""
        first, last, itemsize = max(start, self.offset), min(end, self.end), DTYPES[self.dtype].itemsize
        values = self.values[(first - self.offset) // itemsize : (last - self.offset) // itemsize]
        return Copy(first, values, self.dtype)


@dataclass(frozen=True)
class Read:
    """One request: a run of whole blocks, and the copies made of it."""

    part: Part
    start: int
    length: int
    copies: list[Copy]

    def fetch(self, url: str) -> bytearray:
        """The bytes, checked; from a thread of any kind.

        Raises:
            CheckpointError: they are not what was written.
        """
        part, data = self.part, bytearray(self.length)
        storage.read_into(storage.join(url, part.file), self.start, memoryview(data))
        first = self.start // part.block_bytes
        for number, digest in enumerate(block_digests(memoryview(data), part.block_bytes), first):
            if digest != part.blocks[number]:
                begin = number * part.block_bytes
                end = min(begin + part.block_bytes, part.bytes) - 1
                raise CheckpointError(
                    f"{url}/{part.file} is not what was committed (sha256 of bytes {begin} to {end} "
                    f"differs); {GO_BACK.format(url=url)}"
                )
        return data

    def copy_from(self, data: bytearray) -> None:
        """Put the values where they go."""
        for copy in self.copies:
            place = copy.offset - self.start
            stored = torch.frombuffer(data, dtype=DTYPES[copy.dtype], count=copy.values.numel(), offset=place)
            copy.values.copy_(stored)


def reads_of(part: Part, copies: Sequence[Copy]) -> Iterator[Read]:
    """The fewest requests that give all copies and no block that none needs, in order of bytes."""
    size, most = part.block_bytes, max(1, READ_BYTES // part.block_bytes)
    copies = [copy for copy in copies if copy.values.numel()]
    ranges = ((copy.offset // size, -(-copy.end // size)) for copy in copies)
    needed = sorted({block for first, last in ranges for block in range(first, last)})
    runs: list[list[int]] = []
    for block in needed:
        if runs and block == runs[-1][-1] + 1 and len(runs[-1]) < most:
            runs[-1].append(block)
        else:
            runs.append([block])
    for run in runs:
        start, end = run[0] * size, min((run[-1] + 1) * size, part.bytes)
        inside = [copy.within(start, end) for copy in copies if copy.offset < end and copy.end > start]
        yield Read(part, start, end - start, inside)


def block_digests(data: memoryview, block_bytes: int) -> list[str]:
    """sha256 of each block, in hex; other threads run meanwhile."""
    starts = range(0, len(data), block_bytes)
    return [hashlib.sha256(data[start : start + block_bytes]).hexdigest() for start in starts]


def lay_out(fragments: Sequence[Fragment]) -> tuple[bytes, list[Slice], int]:
    """The file's header, where each fragment lies, and the bytes of all.

    The format is safetensors': 8 bytes of header length, the header in JSON, padded with spaces, and the
    values, without gaps. All of a kind is together, as that is how it is read.
    """
    kinds = list(dict.fromkeys(fragment.kind for fragment in fragments))
    ordered = sorted(fragments, key=lambda one: (-one.values.element_size(), kinds.index(one.kind)))
    entries, ends = {}, [0]
    for one in ordered:
        ends.append(ends[-1] + one.values.numel() * one.values.element_size())
        entries[f"{one.kind}/{one.name}"] = {
            "dtype": _NAMES[one.values.dtype],
            "shape": [one.values.numel()],
            "data_offsets": ends[-2:],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    header = len(text).to_bytes(8, "little") + text
    slices = [
        Slice(
            *(one.kind, one.name, list(one.shape), one.start, one.values.numel()),
            *(_NAMES[one.values.dtype], len(header) + begin),
        )
        for one, begin in zip(ordered, ends, strict=False)
    ]
    return header, slices, len(header) + ends[-1]


class HostPart:
    """This rank's file in host memory."""

    def __init__(self) -> None:
        self._slices: list[Slice] = []
        self._resize(0)

    def take(self, fragments: Iterable[Fragment]) -> None:
        """Copy them; what was there before is gone."""
        all_of_them = list(fragments)
        header, self._slices, size = lay_out(all_of_them)
        if size != self._size:
            self._resize(size)
        self._memory[: len(header)] = header
        values = {(one.kind, one.name): one.values for one in all_of_them}
        for place in self._slices:
            if place.numel:
                self._room(place).copy_(values[place.kind, place.name].detach().reshape(-1))

    def write(self, url: str, file: str) -> Part:
        """Store it as `file` below `url`, from a thread of any kind."""
        storage.write_file(storage.join(url, file), Path(f"/proc/self/fd/{self._file.fileno()}"))
        with memoryview(self._memory) as data:
            return Part(file, self._size, BLOCK_BYTES, block_digests(data, BLOCK_BYTES), self._slices)

    def _room(self, place: Slice) -> Tensor:
        dtype = DTYPES[place.dtype]
        return torch.frombuffer(self._memory, dtype=dtype, count=place.numel, offset=place.offset)

    def _resize(self, size: int) -> None:
        # A file that is nowhere but in memory: what sends files, in parts and checked, can send it.
        self._file = os.fdopen(os.memfd_create("checkpoint"), "r+b", buffering=0)
        self._file.truncate(max(size, 1))
        self._size, self._memory = size, mmap.mmap(self._file.fileno(), max(size, 1))
