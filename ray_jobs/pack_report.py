"""How far a pack on the cluster is: a line now and then, and Ray's metrics for Prometheus."""

import sys
import time

from ray.util.metrics import Gauge

from shards.pack.progress import Progress


class Report:
    """Call it with every progress; it prints every `seconds` at most."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = self._told = time.monotonic()
        self._bytes_before: int | None = None
        self._ended = False
        self._videos = Gauge("facscale_pack_videos", "videos of the set", tag_keys=("state",))
        self._bytes = Gauge("facscale_pack_source_bytes", "bytes of the videos", tag_keys=("state",))
        self._frames = Gauge("facscale_pack_frames", "frames decoded by this run")
        self._left = Gauge("facscale_pack_seconds_left", "time left at the rate so far")
        self._failures = Gauge("facscale_pack_failures", "failure lines by this run", tag_keys=("reason",))

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._bytes_before is None:
            self._bytes_before, self._began = progress.bytes_done, now
        if progress.note:
            sys.stdout.write(f"pack: {progress.note}\n")
            progress.note = ""
        elapsed = now - self._began
        left = _seconds_left(progress, progress.bytes_done - self._bytes_before, elapsed)
        self._measure(progress, left)
        ends = progress.videos_done == progress.videos and not self._ended
        if now - self._told >= self._seconds or ends:
            self._told, self._ended = now, ends or self._ended
            sys.stdout.write(f"pack: {line(progress, elapsed, left)}\n")
            sys.stdout.flush()

    def _measure(self, progress: Progress, left: float | None) -> None:
        self._videos.set(progress.videos, {"state": "all"})
        self._videos.set(progress.videos_done, {"state": "done"})
        self._bytes.set(progress.source_bytes, {"state": "all"})
        self._bytes.set(progress.bytes_done, {"state": "done"})
        self._frames.set(progress.frames)
        if left is not None:
            self._left.set(left)
        for reason, count in progress.failures.items():
            self._failures.set(count, {"reason": reason})


def line(progress: Progress, elapsed: float, left: float | None) -> str:
    """`12 of 40 videos, 1.20 of 4.00 GB, 530 frames/s, 3 min left; 2 no_face, 1 truncated`."""
    parts = [
        f"{progress.videos_done} of {progress.videos} videos",
        f"{progress.bytes_done / 1e9:.2f} of {progress.source_bytes / 1e9:.2f} GB",
        f"{progress.frames / max(elapsed, 1e-9):.0f} frames/s",
    ]
    if left is not None:
        parts.append(f"{left / 60:.0f} min left")
    failures = ", ".join(f"{count} {reason}" for reason, count in sorted(progress.failures.items()))
    return ", ".join(parts) + (f"; {failures}" if failures else "")


def _seconds_left(progress: Progress, bytes_now: int, elapsed: float) -> float | None:
    """None while nothing is done that tells a rate."""
    if not bytes_now:
        return None
    return (progress.source_bytes - progress.bytes_done) * elapsed / bytes_now
