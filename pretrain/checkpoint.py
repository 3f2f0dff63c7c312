"""Checkpoints: named tensors in safetensors, each rank its own slices, visible only when committed.

    <run>/attempts/0002.json                               taken by conditional put when a worker group starts
    <run>/checkpoints/0002-00000100/rank-00000.safetensors slices of weights, moments, companions
    <run>/checkpoints/0002-00000100/rank-00000.json        what is in it, and its digests
    <run>/checkpoints/0002-00000100/COMMITTED.json         written last; without it there is no checkpoint

A checkpoint is named by attempt and step. The newest committed one is found by listing storage; an attempt
that is no longer the newest may not commit. Restoring reads ranges by parameter name and flat index, so any
number of ranks can restore what any other number wrote, and each reads what it keeps. Nothing is unpickled.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.checkpoint_files import (
    DTYPES,
    FORMAT,
    GO_BACK,
    MARKER,
    Copy,
    HostPart,
    Part,
    Read,
    Slice,
    read_marker,
    reads_of,
)
from pretrain.engine import Engine
from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError
from pretrain.retention import Pruner, Retention
from pretrain.world import World
from shards import storage
from shards.ahead import Bound, ahead

COMMIT_TIMEOUT_SECONDS = 600.0
BUFFERS = "buffers"
READS_IN_FLIGHT = 4


def claim_attempt(run_url: str) -> int:
    """Number of this attempt at the run; no two callers get the same one."""
    names = storage.list_names(storage.join(run_url, "attempts"))
    attempt = 1 + max((int(Path(name).stem) for name in names), default=0)
    content = json.dumps({"claimed_unix_seconds": time.time()}).encode()
    while not storage.write_if_absent(_attempt_url(run_url, attempt), content):
        attempt += 1
    return attempt


def _attempt_url(run_url: str, attempt: int) -> str:
    return storage.join(run_url, "attempts", f"{attempt:04d}.json")


def committed(run_url: str) -> list[str]:
    """URLs of all committed checkpoints, oldest first: by attempt, then by step."""
    names = storage.list_names(storage.join(run_url, "checkpoints"))
    found = sorted(name.removesuffix(f"/{MARKER}") for name in names if name.endswith(f"/{MARKER}"))
    return [storage.join(run_url, "checkpoints", name) for name in found]


def newest_facts(run_url: str) -> dict[str, Any] | None:
    """Facts of the newest committed checkpoint; None where there is none."""
    found = committed(run_url)
    return _facts(found[-1]) if found else None


def _facts(url: str) -> dict[str, Any]:
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


class Checkpoints:
    """Saves and restores one run. `save` blocks only for a copy to host memory; the rest is in background."""

    def __init__(
        self,
        run_url: str,
        attempt: int,
        engine: Engine,
        companions: Mapping[str, nn.Module],
        world: World,
        retention: Retention = Retention(),  # noqa: B008 - frozen
    ) -> None:
        self.run_url, self.attempt, self.retention = run_url, attempt, retention
        self._engine, self._companions, self._world = engine, companions, world
        self._part = HostPart()
        self._upload: threading.Thread | None = None
        self._failure: Exception | None = None
        self._pruner = Pruner(retention, lambda url: _facts(url)["metrics"])

    def restore_newest(self, check: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
        """Restore the newest committed checkpoint and return its facts; None where there is none.

        `check` sees the facts first and raises where they do not belong to this run.
        """
        newest = self._world.broadcast(next(reversed(committed(self.run_url)), None))
        if newest is None:
            return None
        reader = CheckpointReader(newest)
        check(reader.facts)
        replicated = self._replicated()
        self._engine.restore(lambda own: reader.fill([*own, *replicated]), int(reader.facts["updates"]))
        return {**reader.facts, "url": newest}

    def save(self, step: int, facts: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Copy this rank's slices and start writing them; called by every rank after `step` steps.

        Args:
            step: steps done.
            facts: kept with the checkpoint.
            metrics: the newest ones, which may decide what is kept.

        Raises:
            CheckpointError: the save before this one failed, or no such metric decides what is kept.
        """
        self.wait()
        self.retention.refuse_unknown(metrics)
        # Each rank writes its share of what all have, each tensor whole.
        share = self._replicated()[self._world.rank :: self._world.size]
        self._part.take([*self._engine.fragments(), *share])
        url = storage.join(self.run_url, "checkpoints", f"{self.attempt:04d}-{step:08d}")
        content = {**facts, "step": step, "updates": self._engine.updates, "metrics": dict(metrics)}
        content |= {"attempt": self.attempt, "ranks": self._world.size}
        rank, size = self._world.rank, self._world.size
        self._upload = threading.Thread(
            target=self._write, args=(url, content, rank, size), name="checkpoint", daemon=True
        )
        self._upload.start()

    def wait(self) -> None:
        """Until the last save is committed.

        Raises:
            CheckpointError: it was not.
        """
        if self._upload is not None:
            self._upload.join()
            self._upload = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise CheckpointError(f"a checkpoint of {self.run_url} was not written: {failure}") from failure

    def _replicated(self) -> list[Fragment]:
        """All that is equal on every rank: buffers and companions, whole."""
        named = {BUFFERS: self._engine.buffers()}
        named |= {kind: module.state_dict() for kind, module in self._companions.items()}
        return [
            Fragment(kind, name, tuple(tensor.shape), 0, tensor)
            for kind, state in named.items()
            for name, tensor in state.items()
        ]

    def _write(self, url: str, facts: dict[str, Any], rank: int, size: int) -> None:
        """Runs in the background; a failure is raised by the next `save` or `wait`."""
        try:
            part = self._part.write(url, f"rank-{rank:05d}.safetensors")
            storage.write_bytes(storage.join(url, f"rank-{rank:05d}.json"), _compact(part.to_json()))
            if rank == 0:
                self._commit(url, facts, size)
        except Exception as error:  # noqa: BLE001 - crosses a thread; wait() raises it again
            self._failure = error

    def _commit(self, url: str, facts: dict[str, Any], size: int) -> None:
        """Wait for all ranks' parts without a collective, which a background thread must not use."""
        deadline = time.monotonic() + COMMIT_TIMEOUT_SECONDS
        wanted = [f"rank-{rank:05d}.json" for rank in range(size)]
        while missing := set(wanted) - set(storage.list_names(url)):
            if time.monotonic() > deadline:
                raise CheckpointError(
                    f"{url}: no {', '.join(sorted(missing))} after {COMMIT_TIMEOUT_SECONDS:g} s"
                )
            time.sleep(0.05)
        if storage.exists(_attempt_url(self.run_url, self.attempt + 1)):
            raise CheckpointError(
                f"attempt {self.attempt} was replaced by a newer one; this process must stop"
            )
        parts = [json.loads(storage.read_bytes(storage.join(url, name))) for name in wanted]
        marker = {"format": FORMAT, "facts": facts, "parts": parts}
        storage.write_bytes(storage.join(url, MARKER), _compact(marker))
        self._pruner.prune(committed(self.run_url), MARKER)


def _compact(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
