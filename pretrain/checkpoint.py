"""Checkpoints: named tensors in safetensors, each rank its own slices, visible only when committed.

    <run>/attempts/0002.json                               taken by conditional put when a worker group starts
    <run>/checkpoints/0002-00000100/rank-00000.safetensors slices of weights, moments, companions
    <run>/checkpoints/0002-00000100/rank-00000.json        what is in it, and its digest
    <run>/checkpoints/0002-00000100/COMMITTED.json         written last; without it there is no checkpoint

A checkpoint is named by attempt and step. The newest committed one is found by listing storage; an attempt
that is no longer the newest may not commit. Restoring reads slices by parameter name and flat index, so any
number of ranks can restore what any other number wrote. Nothing is unpickled.
"""

import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from pretrain.engine import Engine
from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError
from pretrain.retention import Pruner, Retention
from pretrain.world import World
from shards import storage

MARKER = "COMMITTED.json"
COMMIT_TIMEOUT_SECONDS = 600.0
BUFFERS = "buffers"


@dataclass(frozen=True)
class Slice:
    """Where one tensor's flat values `start`..`start + numel` are stored."""

    kind: str
    name: str
    shape: list[int]
    start: int
    numel: int


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
    facts: dict[str, Any] = json.loads(storage.read_bytes(storage.join(url, MARKER)))["facts"]
    return facts


class CheckpointReader:
    """A committed checkpoint, opened and checked; gives whole tensors one at a time."""

    def __init__(self, url: str) -> None:
        """Fetch and verify all files of `url`.

        Raises:
            CheckpointError: a file is missing, altered or does not cover its tensors.
        """
        self.url = url
        marker = json.loads(storage.read_bytes(storage.join(url, MARKER)))
        self.facts: dict[str, Any] = marker["facts"]
        self._folder = tempfile.TemporaryDirectory(prefix="facscale-checkpoint-")
        self._places: dict[tuple[str, str], list[tuple[Slice, Any]]] = {}
        for part in marker["parts"]:
            data = storage.read_bytes(storage.join(url, part["file"]))
            if hashlib.sha256(data).hexdigest() != part["sha256"]:
                raise CheckpointError(
                    f"{url}/{part['file']} is not what was committed (sha256 differs); "
                    f"delete {url} to go back to the checkpoint before it"
                )
            path = Path(self._folder.name, part["file"])
            path.write_bytes(data)
            opened = safe_open(path, framework="pt")
            for entry in part["slices"]:
                place = Slice(**entry)
                self._places.setdefault((place.kind, place.name), []).append((place, opened))

    def names(self) -> list[tuple[str, str]]:
        """(kind, name) of every tensor."""
        return sorted(self._places)

    def read(self, kind: str, name: str) -> Tensor:
        """The whole tensor, flat.

        Raises:
            CheckpointError: the checkpoint has no such tensor or not all of it.
        """
        places = self._places.get((kind, name))
        if not places:
            raise CheckpointError(f"{self.url} has no {kind} of {name!r}; it belongs to another model")
        numel = int(torch.tensor(places[0][0].shape).prod()) if places[0][0].shape else 1
        pieces = sorted(places, key=lambda item: item[0].start)
        if [place.start for place, _ in pieces] != _starts(
            [place.numel for place, _ in pieces]
        ) or numel != sum(place.numel for place, _ in pieces):
            raise CheckpointError(
                f"{self.url}: the slices of {kind} {name!r} do not make up its {numel} values"
            )
        return torch.cat([opened.get_tensor(f"{kind}/{name}").flatten() for _, opened in pieces])

    def digests(self) -> dict[str, str]:
        """sha256 of every whole tensor, for comparing checkpoints of different numbers of ranks."""
        return {
            f"{kind}/{name}": hashlib.sha256(self.read(kind, name).numpy().tobytes()).hexdigest()
            for kind, name in self.names()
        }


def _starts(sizes: list[int]) -> list[int]:
    total, starts = 0, []
    for size in sizes:
        starts.append(total)
        total += size
    return starts


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
        self._engine.restore(reader.read, int(reader.facts["updates"]))
        for kind, name, tensor in self._replicated():
            tensor.copy_(reader.read(kind, name).view_as(tensor))
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
        tensors, slices = self._snapshot()
        url = storage.join(self.run_url, "checkpoints", f"{self.attempt:04d}-{step:08d}")
        content = {**facts, "step": step, "updates": self._engine.updates, "metrics": dict(metrics)}
        content |= {"attempt": self.attempt, "ranks": self._world.size}
        rank, size = self._world.rank, self._world.size
        self._upload = threading.Thread(
            target=self._write,
            args=(url, tensors, slices, content, rank, size),
            name="checkpoint",
            daemon=True,
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

    def _snapshot(self) -> tuple[dict[str, Tensor], list[Slice]]:
        tensors, slices = {}, []
        for fragment in [*self._engine.fragments(), *self._replicated_fragments()]:
            tensors[f"{fragment.kind}/{fragment.name}"] = fragment.values.detach().flatten().cpu().clone()
            slices.append(
                Slice(
                    fragment.kind,
                    fragment.name,
                    list(fragment.shape),
                    fragment.start,
                    fragment.values.numel(),
                )
            )
        return tensors, slices

    def _replicated(self) -> list[tuple[str, str, Tensor]]:
        """Kind, name and tensor of all that is equal on every rank: buffers and companions."""
        named = {BUFFERS: self._engine.buffers()}
        named |= {kind: module.state_dict() for kind, module in self._companions.items()}
        return [(kind, name, tensor) for kind, state in named.items() for name, tensor in state.items()]

    def _replicated_fragments(self) -> Iterator[Fragment]:
        """Each rank writes its share of the tensors whole."""
        for kind, name, tensor in self._replicated()[self._world.rank :: self._world.size]:
            yield Fragment(kind, name, tuple(tensor.shape), 0, tensor)

    def _write(
        self,
        url: str,
        tensors: dict[str, Tensor],
        slices: list[Slice],
        facts: dict[str, Any],
        rank: int,
        size: int,
    ) -> None:
        """Runs in the background; a failure is raised by the next `save` or `wait`."""
        try:
            data = to_safetensors(tensors)
            file = f"rank-{rank:05d}.safetensors"
            storage.write_bytes(storage.join(url, file), data)
            part = {
                "file": file,
                "sha256": hashlib.sha256(data).hexdigest(),
                "slices": [asdict(entry) for entry in slices],
            }
            storage.write_bytes(storage.join(url, f"rank-{rank:05d}.json"), json.dumps(part).encode())
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
        marker = {"facts": facts, "parts": parts}
        storage.write_bytes(storage.join(url, MARKER), json.dumps(marker).encode())
        self._pruner.prune(committed(self.run_url), MARKER)
