"""`python -m tests.chaos.soak URL BATCH SECONDS`: stream a set, and say how much memory the process has.

Prints lines of minutes and megabytes.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from shards.batch import DEFAULT_CLIP
from shards.plan import Plan
from shards.policies import DistinctIdentity
from shards.stream import stream_clips
from shards.tracks import load_tracks

PLAIN_MALLOC = {"MALLOC_ARENA_MAX": "2", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""What each thread keeps to itself of freed memory grows for minutes, to 0.2 MB each, and then stays. Without
it, what grows is lost."""
EVERY_SECONDS = 0.25


def resident(url: str, batch: int, seconds: float) -> Iterator[tuple[float, float]]:
    """Minutes since the start and megabytes in use, a few times a second."""
    tracks = load_tracks(url)
    plan = Plan(tracks, DEFAULT_CLIP, batch, policy=DistinctIdentity())
    began = last = time.monotonic()
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6
    for _ in stream_clips(tracks, plan):
        now = time.monotonic()
        if now - began > seconds:
            return
        if now - last > EVERY_SECONDS:
            last = now
            yield (now - began) / 60, int(Path("/proc/self/statm").read_text().split()[1]) * page_mb


if __name__ == "__main__":
    for minutes, megabytes in resident(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])):
        sys.stdout.write(f"{minutes} {megabytes}\n")
