"""Metrics of the training loop: summed on the device, read once per log step."""

import resource
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from pretrain.flops import FlopCount
from pretrain.world import World
from shards.batch import ClipBatch
from shards.stream_config import StreamConfig, StreamCounters

HOST_METRICS = (
    *("data/wait_share", "data/plan_busy", "data/fetch_busy", "data/decode_busy"),
    *("data/fetched_mb_per_s", "data/requests_per_clip", "data/fetched_mb_per_clip"),
    *("data/unreadable", "data/withheld_clips", "data/damaged_reads", "data/order_fingerprint"),
    "data/decoded_bytes",
)
"""Summed over the ranks; the shares are each rank's divided by their number."""


def clip_fingerprint(position: int, key: str, frames_T: Iterable[int]) -> int:
    """32-bit checksum of one clip of the stream.

    Their sum over a step's clips tells whether exactly the planned frames were consumed, on any ranks.
    """
    return zlib.crc32(f"{position}:{key}:{','.join(str(int(frame)) for frame in frames_T)}".encode())


def due(step: int, every: int, last: int) -> bool:
    """Whether something that happens every `every` steps, and at the end, happens after `step` steps."""
    return step % every == 0 or step == last


class Meter:
    """Averages over the steps since the last `reduce`; clips/s leaves paused time out."""

    def __init__(
        self,
        world: World,
        device: torch.device,
        counters: StreamCounters,
        clips_per_step: int,
        stream: StreamConfig,
        flops: FlopCount,
    ) -> None:
        """`stream` says how many threads each of its stages has."""
        self._world, self._device, self._counters = world, device, counters
        self._clips_per_step, self._stream, self._flops = clips_per_step, stream, flops
        self._seen = StreamCounters()
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._applied: dict[str, list[Tensor]] = {}
        self._steps = self._violations = self._fingerprint = 0
        self._paused_seconds = 0.0
        self._since = time.monotonic()

    def add(self, parts: Mapping[str, Tensor], clips: ClipBatch, violations: int, applied: Tensor) -> None:
        """Note one step.

        Args:
            parts: scalars, summed over ranks by `reduce`. One that is off in a step is absent: its average is
                over the steps that have it.
            clips: this rank's.
            violations: clips of the global batch that break the objective's batch policy.
            applied: whether the step's update was made (0-dim, equal on all ranks). Where not, its parts are
                not finite, and averages are over the other steps.
        """
        for name, value in parts.items():
            kept = torch.where(applied, value, torch.zeros_like(value))
            self._sums[name] = self._sums[name] + kept if name in self._sums else kept
            self._applied.setdefault(name, []).append(applied)
        self._steps += 1
        self._last_applied = applied
        self._fingerprint += sum(
            clip_fingerprint(int(position), key, frames_T)
            for position, key, frames_T in zip(
                clips.position_B, clips.key_B, clips.frame_index_BT, strict=True
            )
        )
        self._violations += violations

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent in here does not count as training."""
        start = time.monotonic()
        yield
        self._paused_seconds += time.monotonic() - start

    def reduce(self, gradient_norm: float, learning_rate: float) -> dict[str, float]:
        """Metrics since the last call; FLOPs and memory are this rank's own. Waits for the device.

        What no step with an update has is absent.
        """
        elapsed = time.monotonic() - self._since - self._paused_seconds
        now, before = self._counters, self._seen
        steps_with = {name: torch.stack(applied).sum() for name, applied in self._applied.items()}
        local = {name: total / steps_with[name] for name, total in self._sums.items()}
        since = now.since(before)
        rank_seconds, clips = elapsed * self._world.size, self._steps * self._clips_per_step
        host = [
            since.wait_seconds / rank_seconds,
            since.plan_seconds / rank_seconds,
            since.fetch_seconds / rank_seconds / max(1, self._stream.fetchers or self._stream.threads),
            since.decode_seconds / rank_seconds / max(1, self._stream.threads),
            since.bytes_fetched / elapsed / 1e6,
            since.requests / clips,
            since.bytes_fetched / clips / 1e6,
            *(float(len(now.quarantined)), float(now.withheld), float(now.damaged_reads)),
            *(float(self._fingerprint), float(since.bytes_decoded)),
        ]
        # float64 keeps the fingerprint, a sum of 32-bit numbers, exact.
        parts = torch.stack([local[name].to(self._device, torch.float64) for name in sorted(local)])
        packed = torch.cat([parts, torch.tensor(host, dtype=torch.float64, device=self._device)])
        metrics = dict(zip([*sorted(local), *HOST_METRICS], self._world.sum(packed).tolist(), strict=True))
        decoded_mb_per_clip = metrics.pop("data/decoded_bytes") / clips / 1e6
        metrics |= {
            "data/fetched_per_decoded": metrics["data/fetched_mb_per_clip"] / max(decoded_mb_per_clip, 1e-9),
            "data/policy_violations": self._violations / self._steps,
            "optim/gradient_norm": gradient_norm,
            "optim/learning_rate": learning_rate,
            "speed/clips_per_s": self._steps * self._clips_per_step / elapsed,
            **self._flops.rates(elapsed),
            "memory/peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if not self._last_applied:
            del metrics["optim/gradient_norm"]
        metrics = {name: value for name, value in metrics.items() if name not in local or steps_with[name]}
        self._seen = now.copy()
        self._clear()
        return metrics
