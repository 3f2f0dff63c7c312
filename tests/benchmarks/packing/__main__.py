"""`python -m tests.benchmarks.packing`: how fast packing is, what it takes, and how well it follows faces.

It makes its own videos below the work folder, and keeps them there.
"""

import argparse
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from infra.stages import open_folder, say
from pretrain.config import Request, load
from shards.layouts.layout import is_video
from tests.benchmarks import record
from tests.benchmarks.packing.films import FRONTAL, KINDS, Film, Kind, make_film
from tests.benchmarks.packing.memory import measure_peak
from tests.benchmarks.packing.rates import measure_round, version
from tests.benchmarks.packing.report import Report
from tests.benchmarks.packing.tracking import Tracking

PARTS = ("rates", "memory", "tracking")
NO_FFMPEG = "The row of ffmpeg is missing: {found} is no program; install ffmpeg, or name one with --ffmpeg."


@dataclass(frozen=True)
class Size:
    """How much is made and measured.

    Attributes:
        clips: videos that are packed in a round.
        seconds: of each of them.
        tracked_clips: videos of each kind that faces are followed in.
        tracked_seconds: of each of them.
        minutes: of the videos whose peaks of memory are compared.
        detect_every: frames from one detection to the next where faces are followed.
        seed: of everything generated.
    """

    clips: int = 6
    seconds: float = 20.0
    tracked_clips: int = 3
    tracked_seconds: float = 8.0
    minutes: tuple[float, float] = (1.0, 10.0)
    detect_every: int = 5
    seed: int = 0


def main(arguments: list[str]) -> None:
    parser = record.parser("packing", __doc__, rounds=5, sizes="clips, seconds, minutes")
    parser.add_argument("--clips", type=Path, help="folder of real videos to follow faces in")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="all by default")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="program to compare with (%(default)s)")
    given = record.read(parser, arguments)
    if given.clips is not None and not given.clips.is_dir():
        raise ValueError(f"--clips: {given.clips} is no folder; name one that holds videos")
    size = load(Size, Request((), tuple(given.size), print_only=False))
    work: Path = given.work.absolute()
    open_folder(work, False, vars(size))
    report = Report(record.facts(_command(given)), size.detect_every)
    if "rates" in given.parts:
        add_rates(report, work, size, given.rounds, given.ffmpeg)
    if "memory" in given.parts:
        add_memory(report, work, size)
    if "tracking" in given.parts:
        add_tracking(report, work, size, given.clips)
    report.write(given.out)


def _command(given: argparse.Namespace) -> str:
    """What to say to measure the same, without the folders of this machine."""
    words = ["python -m tests.benchmarks.packing", "--rounds", str(given.rounds)]
    for name in ("parts", "size"):
        chosen = getattr(given, name)
        words += [f"--{name}", *chosen] if chosen not in ([], PARTS) else []
    return " ".join([*words, *(["--clips", "FOLDER"] if given.clips else [])])


def add_rates(report: Report, work: Path, size: Size, rounds: int, ffmpeg: str) -> None:
    """Time all contenders, round by round."""
    clips = make_films(work / "packed", films(FRONTAL, size.clips, size.seconds, size.seed))
    make_films(work / "one-frame", films(FRONTAL, 2, 0.0, size.seed))
    bits = 8 * sum(path.stat().st_size for path in clips)
    report.notes.append(
        f"{size.clips} videos of {size.seconds:g} s, 1280x720 H.264 at 25 frames/s, one generated face each; "
        f"{bits / (size.clips * size.seconds) / 1e6:.1f} Mbit/s."
    )
    program = shutil.which(ffmpeg)
    report.notes.append(f"ffmpeg: {version(program)}." if program else NO_FFMPEG.format(found=ffmpeg))
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        report.rounds.append(measure_round(work / "packed", work / "one-frame", work / "scratch", program))


def add_memory(report: Report, work: Path, size: Size) -> None:
    """Pack one video at several lengths."""
    [clip] = make_films(work / "packed", films(FRONTAL, 1, size.seconds, size.seed))
    for minutes in size.minutes:
        say(f"memory of {minutes:g} min")
        report.peaks.append(measure_peak(clip, minutes, work / "long", work / "scratch"))


def add_tracking(report: Report, work: Path, size: Size, given: Path | None) -> None:
    """Follow faces in generated videos of every kind, and in the given ones."""
    made = [
        film for kind in KINDS for film in films(kind, size.tracked_clips, size.tracked_seconds, size.seed)
    ]
    videos: dict[str, list[Path]] = {}
    for film, path in zip(made, make_films(work / "followed", made), strict=True):
        videos.setdefault(film.kind.name, []).append(path)
    if given is not None:
        videos |= {f"given: {path.stem}": [path] for path in sorted(given.iterdir()) if is_video(path)}
    for name, paths in videos.items():
        say(f"following faces, {name}")
        report.tracking[name] = Tracking()
        for path in paths:
            report.tracking[name].add(path, size.detect_every)


def films(kind: Kind, count: int, seconds: float, seed: int) -> list[Film]:
    """Films of one kind, each of other people."""
    return [Film(kind, number, seconds, seed) for number in range(count)]


def make_films(folder: Path, wanted: list[Film]) -> list[Path]:
    """The files of films, made in a process per core where they are missing."""
    missing = [film for film in wanted if not (folder / film.name).exists()]
    if missing:
        workers = min(len(missing), len(os.sched_getaffinity(0)))
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(partial(make_film, folder=folder), missing))
    return [folder / film.name for film in wanted]


if __name__ == "__main__":
    record.run_command(main)
