"""Peak memory of packing one video, for a short and a long one."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.packing.films import repeat
from tests.benchmarks.packing.rates import contend


@dataclass(frozen=True)
class Peak:
    """Resident memory at its peak: of the worker process that packs, and of the one that leads."""

    minutes: float
    frames: int
    worker_bytes: int
    leader_bytes: int


def measure_peak(clip: Path, minutes: float, folder: Path, scratch: Path) -> Peak:
    """Pack `clip`, repeated for so long, as the only video of a set."""
    videos = folder / f"{minutes:g}-minutes"
    repeat(clip, 60 * minutes, videos / clip.name)
    _, did = contend("pack", videos, scratch / "set", 1)
    return Peak(minutes, did.frames, did.worker_peak_bytes, did.peak_bytes)
