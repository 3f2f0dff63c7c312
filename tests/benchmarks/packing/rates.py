"""Packing against decoding alone and against a loop of ffmpeg processes, in interleaved rounds.

Every contender is a command of its own and its time holds everything, its start too (interpreter, imports,
detector). What a start costs is measured in each round on two videos of one frame; `steady` leaves it out, as
a large set does.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.packing.contender import Did
from tests.benchmarks.packing.timing import Cost, python, timed

DECODE, PACK, PACK_TWO, FFMPEG = "decode alone", "pack", "pack, 2 processes", "ffmpeg per clip"
PEER_FILTER = "crop=600:600:340:60,scale=224:224"
"""About the part of the frame that our crops show."""


@dataclass(frozen=True)
class Run:
    """One contender in one round; `start` is what it costs to begin."""

    cost: Cost
    start: Cost
    did: Did

    @property
    def steady(self) -> Cost:
        """Without the start."""
        return self.cost - self.start


Round = Mapping[str, Run]


def measure_round(videos: Path, one_frame: Path, scratch: Path, ffmpeg: str | None) -> Round:
    """Each contender once, one after the other; without ffmpeg its row is left out."""
    set_url = scratch / "set"
    found = {
        DECODE: _run(("decode", videos), ("decode", one_frame)),
        PACK: _run(("pack", videos, set_url, 1), ("pack", one_frame, set_url, 1)),
        PACK_TWO: _run(("pack", videos, set_url, 2), ("pack", one_frame, set_url, 2)),
    }
    if ffmpeg is not None:
        # Its start comes with every clip: that is how it works.
        found[FFMPEG] = Run(
            _ffmpeg_loop(ffmpeg, videos, scratch), Cost(0.0, 0.0), Did(found[DECODE].did.frames)
        )
    return found


def contend(*words: object) -> tuple[Cost, Did]:
    """What a contender took and did; a set that is there is packed anew."""
    if words[0] == "pack":
        shutil.rmtree(str(words[2]), ignore_errors=True)
    cost, output = timed(python("tests.benchmarks.packing.contender", *words))
    return cost, Did(**json.loads(output))


def _run(words: tuple[object, ...], start_words: tuple[object, ...]) -> Run:
    start, _ = contend(*start_words)
    cost, did = contend(*words)
    return Run(cost, start, did)


def version(ffmpeg: str) -> str:
    """The version that the program says it has."""
    words = timed([ffmpeg, "-version"])[1].split()
    return words[words.index("version") + 1]


def _ffmpeg_loop(ffmpeg: str, videos: Path, scratch: Path) -> Cost:
    """Crop, scale and encode each clip on one thread: no detection, no tracking, no shards."""
    total = Cost(0.0, 0.0)
    scratch.mkdir(parents=True, exist_ok=True)
    for path in sorted(videos.iterdir()):
        one_thread = ("-threads", "1", "-filter_threads", "1")
        x264 = ("-c:v", "libx264", "-preset", "medium", "-crf", "23", "-threads", "1")
        words = [ffmpeg, "-v", "error", "-nostdin", "-y", *one_thread, "-i", str(path)]
        cost, _ = timed([*words, "-vf", PEER_FILTER, *x264, "-an", str(scratch / "cropped.mp4")])
        total += cost
    return total
