"""Checkpoints: named tensors in safetensors, each rank its own slices, visible only when committed.

    <run>/checkpoints/0002-00000100/rank-00000.safetensors slices of weights, moments, companions
    <run>/checkpoints/0002-00000100/rank-00000.json        what is in it, and its digests
    <run>/checkpoints/0002-00000100/COMMITTED.json         written last; without it there is no checkpoint

A checkpoint is named by attempt (pretrain/attempt.py) and step. The newest committed one is found by listing
storage; an attempt that was replaced may not commit. Restoring reads ranges by parameter name and flat index,
so any number of ranks can restore what any other number wrote, and each reads what it keeps. Nothing is
unpickled.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from pretrain.attempt import Attempt
from pretrain.checkpoint_files import FORMAT, MARKER, HostPart
from pretrain.checkpoint_reader import CheckpointReader, committed, facts_of
from pretrain.engine import Engine
from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError, FencedError
from pretrain.retention import Pruner, Retention
from pretrain.world import World
from shards import storage

COMMIT_TIMEOUT_SECONDS = 600.0
BUFFERS = "buffers"


class Checkpoints:
    """Saves and restores one run. `save` blocks only for a copy to host memory; the rest is in background."""

    def __init__(
        self,
        attempt: Attempt,
        engine: Engine,
        companions: Mapping[str, nn.Module],
        world: World,
        retention: Retention = Retention(),  # noqa: B008 - frozen
    ) -> None:
        self.attempt, self.retention = attempt, retention
        self._run_url = attempt.run_url
        self._engine, self._companions, self._world = engine, companions, world
        self._part = HostPart()
        self._upload: threading.Thread | None = None
        self._failure: Exception | None = None
        self._pruner = Pruner(retention, lambda url: facts_of(url)["metrics"])

    def restore_newest(self, check: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
        """Restore the newest committed checkpoint and return its facts; None where there is none.

        `check` sees the facts first and raises where they do not belong to this run.
        """
        newest = self._world.broadcast(next(reversed(committed(self._run_url)), None))
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
        url = storage.join(self._run_url, "checkpoints", f"{self.attempt.number:04d}-{step:08d}")
        content = {**facts, "step": step, "updates": self._engine.updates, "metrics": dict(metrics)}
        content |= {"attempt": self.attempt.number, "lease": self.attempt.lease, "ranks": self._world.size}
        rank, size = self._world.rank, self._world.size
        self._upload = threading.Thread(
            target=self._write, args=(url, content, rank, size), name="checkpoint", daemon=True
        )
        self._upload.start()

    def wait(self) -> None:
        """Until the last save is committed.

        Raises:
            FencedError: a newer attempt has taken over; rank 0 alone is told.
            CheckpointError: it was not.
        """
        if self._upload is not None:
            self._upload.join()
            self._upload = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            if isinstance(failure, FencedError):
                raise failure
            raise CheckpointError(f"a checkpoint of {self._run_url} was not written: {failure}") from failure

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
        self.attempt.refuse_if_replaced()
        parts = [json.loads(storage.read_bytes(storage.join(url, name))) for name in wanted]
        marker = {"format": FORMAT, "facts": facts, "parts": parts}
        storage.write_bytes(storage.join(url, MARKER), _compact(marker))
        try:
            # Who was stopped between the look before and the put is told now.
            self.attempt.refuse_if_replaced()
        except FencedError:
            storage.delete(storage.join(url, MARKER))
            raise
        self._pruner.prune(committed(self._run_url), MARKER)


def _compact(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
