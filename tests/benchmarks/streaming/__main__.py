"""`python -m tests.benchmarks.streaming`: how fast clips come from shards, beside other loaders.

It makes its own set below the work folder, writes it again in the peers' formats, and installs them there.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from infra.services import ObjectStore
from infra.stages import open_folder, say
from pretrain.config import Request, load
from tests.benchmarks import record
from tests.benchmarks.streaming.contest import OURS, local_sides, ours, write_clips
from tests.benchmarks.streaming.environment import PEERS
from tests.benchmarks.streaming.measure import Ask
from tests.benchmarks.streaming.report import CLIPS, WHOLE, Report
from tests.benchmarks.streaming.sets import make_set, make_wide
from tests.benchmarks.streaming.store import fetching_round, filled, loader_round

PARTS = ("local", "s3", "bytes", "resume", "plan")


@dataclass(frozen=True)
class Size:
    """How much is made and measured.

    Attributes:
        samples: of the set.
        frames: of a sample.
        pixels: of a side of a frame.
        units: of the set; a shard each.
        people: generated; their samples are written again under other names.
        clip: consecutive frames of a clip.
        batch: clips of a batch.
        whole_batch: samples of a batch of whole samples; 0 leaves them out.
        steps: batches of clips timed in a round; of whole samples, as many as give as many frames.
        skip: batches before these.
        workers: processes that the peers are tried with; the best counts.
        fetch_workers: threads of our fetching alone.
        s3_threads: of our loader from S3; 0 is its default.
        latency_ms: added to each request.
        start_steps: of runs that go on.
        wide_rows: of the set that is only planned.
        wide_unit_rows: of a unit of it.
        wide_batch: clips of its batches.
        planned: samples that are planned of it.
        seed: of the generated set.
    """

    samples: int = 1024
    frames: int = 64
    pixels: int = 224
    units: int = 16
    people: int = 24
    clip: int = 16
    batch: int = 16
    whole_batch: int = 4
    steps: int = 192
    skip: int = 16
    workers: tuple[int, ...] = (0, 1, 2)
    fetch_workers: tuple[int, ...] = (1, 2, 4)
    s3_threads: int = 0
    latency_ms: float = 30.0
    start_steps: tuple[int, ...] = (0, 10, 100_000)
    wide_rows: int = 100_000_000
    wide_unit_rows: int = 2048
    wide_batch: int = 256
    planned: int = 100_000
    seed: int = 0


def main(arguments: list[str]) -> None:
    parser = record.parser("streaming", __doc__, rounds=5, sizes="samples, steps, workers")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="all by default")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS, help="all by default")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    work: Path = given.work.absolute()
    made_of = {
        name: getattr(size, name) for name in ("samples", "frames", "pixels", "units", "people", "seed")
    }
    open_folder(work, False, made_of)
    made = make_set(work, **made_of)
    report = Report(record.facts(_command(given)))
    report.notes.append(
        f"{size.samples} samples of {size.frames} frames, {size.pixels} pixels; a clip is {size.clip} "
        f"consecutive frames, {size.batch} in a batch; whole samples {size.whole_batch} in a batch."
    )
    peers = list(given.peers)
    if "local" in given.parts:
        add_local(report, work, made, size, peers, given.rounds)
    if "s3" in given.parts:
        add_store(report, work, made, size, peers, given.rounds)
    if "bytes" in given.parts:
        say("bytes and requests")
        report.amounts = ours("amounts", made, size.batch, size.samples // size.batch)
    if "resume" in given.parts:
        for step in size.start_steps:
            say(f"going on at step {step}")
            report.starts += [ours("start", made, step, size.batch) for _ in range(given.rounds)]
    if "plan" in given.parts:
        say("planning a large set")
        wide = make_wide(work / f"wide-{size.wide_rows}", made, size.wide_rows, size.wide_unit_rows)
        report.plans = [ours("plan", wide, size.wide_batch, size.planned) for _ in range(given.rounds)]
    report.write(given.out)


def _command(given: argparse.Namespace) -> str:
    """What to say to measure the same, without the folders of this machine."""
    words = ["python -m tests.benchmarks.streaming", "--rounds", str(given.rounds)]
    for name, usual in (("parts", PARTS), ("peers", PEERS), ("size", [])):
        chosen = getattr(given, name)
        words += [f"--{name}", *chosen] if chosen not in ([], usual) else []
    return " ".join(words)


def _asks(work: Path, made: Path, size: Size) -> dict[str, Ask]:
    """What all sides read: clips, and whole samples."""
    whole_steps = -(-size.steps * size.batch * size.clip // (max(1, size.whole_batch) * size.frames))
    return {
        kind: Ask(
            OURS,
            str(made),
            str(write_clips(work, made, frames, batch)),
            frames,
            size.pixels,
            batch,
            steps,
            size.skip,
        )
        for kind, frames, batch, steps in (
            (CLIPS, size.clip, size.batch, size.steps),
            (WHOLE, size.frames, size.whole_batch, whole_steps),
        )
        if batch
    }


def add_local(report: Report, work: Path, made: Path, size: Size, peers: list[str], rounds: int) -> None:
    """Decoded frames from the disk, by all loaders."""
    loaders = [peer for peer in peers if peer != "obstore"]
    for kind, ask in _asks(work, made, size).items():
        sides = local_sides(work, made, loaders, ask)
        say(f"{kind}: comparing the pixels of all sides")
        sides.check()
        sides = sides.best_workers(size.workers)
        report.workers[kind] = {name: one.workers for name, one in sides.asks.items()}
        report.local[kind] = []
        for number in range(rounds):
            say(f"{kind}: round {number + 1} of {rounds}")
            report.local[kind].append(sides.round())


def add_store(report: Report, work: Path, made: Path, size: Size, peers: list[str], rounds: int) -> None:
    """From an object store: bytes alone, and decoded frames."""
    ask = _asks(work, made, size)[CLIPS]
    with ObjectStore(work / "store") as store:
        url = filled(store, made)
        for number in range(rounds):
            say(f"S3: round {number + 1} of {rounds}")
            report.fetching.append(fetching_round(store, url, work, peers, size.fetch_workers))
            report.loader.append(
                loader_round(store, url, replace(ask, fetch_threads=size.s3_threads), size.latency_ms)
            )


if __name__ == "__main__":
    record.run_command(main)
