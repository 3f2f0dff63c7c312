"""What is timed, each in a process of its own; prints what it did as JSON.

python -m tests.benchmarks.packing.contender decode VIDEOS
python -m tests.benchmarks.packing.contender pack VIDEOS OUT WORKERS
"""

import json
import multiprocessing
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import av

from tests.benchmarks.memory import peak_bytes


@dataclass
class Did:
    """One contender's work; the peaks are of resident memory."""

    frames: int
    faces: int = 0
    """Crops stored."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    worker_peak_bytes: int = 0
    """Of the largest worker process."""


def decode(videos: Path) -> Did:
    """Decode all files on one thread, and do nothing with the frames."""
    did = Did(0)
    for path in sorted(videos.iterdir()):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            did.frames += sum(1 for _ in container.decode(stream))
    return did


def pack(videos: Path, out: Path, workers: int) -> Did:
    """Pack all files as `python -m shards pack` does with its defaults."""
    from shards.pack.pack import PackConfig, Progress
    from shards.pack.pack import pack as pack_set

    did = Did(0)

    def note(progress: Progress) -> None:
        did.frames, did.stage_seconds = progress.frames, dict(progress.stage_seconds)
        peaks = [peak_bytes(child.pid or "self") for child in multiprocessing.active_children()]
        did.worker_peak_bytes = max([did.worker_peak_bytes, *peaks])

    did.faces = pack_set(PackConfig(str(videos), str(out), "folder", workers=workers), note).totals.frames
    return did


def main(arguments: list[str]) -> None:
    contender, videos, *more = arguments
    did = decode(Path(videos)) if contender == "decode" else pack(Path(videos), Path(more[0]), int(more[1]))
    did.peak_bytes = peak_bytes()
    sys.stdout.write(json.dumps(asdict(did)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
