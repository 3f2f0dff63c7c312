"""Reading checkpoints: which are committed, and any part of any tensor, checked as it is read."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import Any

import torch
from torch import Tensor

from pretrain.checkpoint_files import DTYPES, GO_BACK, MARKER, Copy, Part, Read, Slice, read_marker, reads_of
from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError
from shards import storage
from shards.ahead import Bound, ahead

READS_IN_FLIGHT = 4


def committed(run_url: str) -> list[str]:
    """URLs of all committed checkpoints, oldest first: by attempt, then by step."""
    names = storage.list_names(storage.join(run_url, "checkpoints"))
    found = sorted(name.removesuffix(f"/{MARKER}") for name in names if name.endswith(f"/{MARKER}"))
    return [storage.join(run_url, "checkpoints", name) for name in found]


def newest_facts(run_url: str) -> dict[str, Any] | None:
    """Facts of the newest committed checkpoint; None where there is none."""
    found = committed(run_url)
    return facts_of(found[-1]) if found else None


def facts_of(url: str) -> dict[str, Any]:
    """Facts of a committed checkpoint."""
    facts: dict[str, Any] = read_marker(url)["facts"]
    return facts


class CheckpointReader:
    """A committed checkpoint; gives any part of any tensor, and checks what it reads."""

    def __init__(self, url: str) -> None:
        """See what is there; no values are read yet.

        Raises:
            CheckpointError: a file is missing or cut short, or another version wrote it.
        """
        self.url, self.bytes_read = url, 0
        marker = read_marker(url)
        self.facts: dict[str, Any] = marker["facts"]
        self._parts = [Part.from_json(entry) for entry in marker["parts"]]
        stored = storage.list_sizes(url)
        for part in self._parts:
            if stored.get(part.file) != part.bytes:
                found = f"has {stored[part.file]} bytes" if part.file in stored else "is missing"
                raise CheckpointError(
                    f"{url}/{part.file} {found}, and {part.bytes} bytes were committed; "
                    f"{GO_BACK.format(url=url)}"
                )
        self._places: dict[tuple[str, str], list[tuple[Slice, int]]] = {}
        for number, part in enumerate(self._parts):
            for place in part.slices:
                self._places.setdefault((place.kind, place.name), []).append((place, number))

    def names(self) -> list[tuple[str, str]]:
        """(kind, name) of every tensor."""
        return sorted(self._places)

    @torch.no_grad()
    def fill(self, fragments: Iterable[Fragment]) -> None:
        """Set the values of `fragments` in place; of the files, only the blocks with these are read.

        Nothing is changed before it is known that the checkpoint has all of them.

        Raises:
            CheckpointError: it has no such tensor, or one of another shape, or not all of it, or what is
                read was altered.
        """
        copies: dict[int, list[Copy]] = {}
        for fragment in fragments:
            for number, copy in self._copies(fragment):
                copies.setdefault(number, []).append(copy)
        reads = [read for number in sorted(copies) for read in reads_of(self._parts[number], copies[number])]
        with ThreadPoolExecutor(READS_IN_FLIGHT, thread_name_prefix="restore") as pool:

            def begin(read: Read) -> list[Future[bytearray]]:
                return [pool.submit(read.fetch, self.url)]

            for read, [fetched] in ahead(reads, begin, Bound(READS_IN_FLIGHT)):
                read.copy_from(fetched.result())
                self.bytes_read += read.length

    def _copies(self, fragment: Fragment) -> Iterator[tuple[int, Copy]]:
        """Part and place of each stored slice that has values of `fragment`."""
        pieces = self._pieces(fragment.kind, fragment.name)
        shape = tuple(pieces[0][0].shape)
        if shape != fragment.shape:
            raise CheckpointError(
                f"{self.url}: {fragment.kind} {fragment.name!r} has shape {shape}, and this model wants "
                f"{fragment.shape}; it belongs to another model"
            )
        values = fragment.values.view(-1)
        for place, number in pieces:
            first = max(place.start, fragment.start)
            count = min(place.start + place.numel, fragment.start + values.numel()) - first
            if count > 0:
                offset = place.offset + (first - place.start) * DTYPES[place.dtype].itemsize
                yield number, Copy(offset, values.narrow(0, first - fragment.start, count), place.dtype)

    def _pieces(self, kind: str, name: str) -> list[tuple[Slice, int]]:
        """All slices of a tensor in order, each with its part's number."""
        pieces = sorted(self._places.get((kind, name), []), key=lambda piece: piece[0].start)
        if not pieces:
            raise CheckpointError(f"{self.url} has no {kind} of {name!r}; it belongs to another model")
        numel, reached = prod(pieces[0][0].shape), 0
        for place, _ in pieces:
            reached = reached + place.numel if place.start == reached else -1
        if reached != numel:
            raise CheckpointError(
                f"{self.url}: the slices of {kind} {name!r} do not make up its {numel} values"
            )
        return pieces

    def read(self, kind: str, name: str) -> Tensor:
        """The whole tensor, flat.

        Raises:
            CheckpointError: as `fill`.
        """
        place, _ = self._pieces(kind, name)[0]
        values = torch.empty(prod(place.shape), dtype=DTYPES[place.dtype])
        self.fill([Fragment(kind, name, tuple(place.shape), 0, values)])
        return values

    def digests(self) -> dict[str, str]:
        """sha256 of every whole tensor, for comparing checkpoints of different numbers of ranks."""
        return {
            f"{kind}/{name}": hashlib.sha256(self.read(kind, name).view(torch.uint8).numpy().data).hexdigest()
            for kind, name in self.names()
        }
