"""The commands of `python -m shards`: one function for arguments and one for work each, and the table.

Heavy imports stand inside the functions: `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shards.errors import ShardError

if TYPE_CHECKING:
    from shards.pack.pack import Progress

MOST_PROBLEMS = 50


@dataclass(frozen=True)
class Command:
    """A row of the table."""

    name: str
    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit status."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@contextmanager
def checked() -> Iterator[None]:
    """Arguments that a config refuses are the user's to correct, not a bug."""
    try:
        yield
    except ValueError as error:
        raise ShardError(str(error)) from error


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument(
        "--layout",
        required=True,
        metavar="NAME",
        help="data set whose form to write: voxceleb (unlabelled), disfa, bp4d, bp4d_plus, gft, aff_wild2 "
        "or rafdb (single pictures)",
    )
    parser.add_argument(
        "--identities", type=int, required=True, help="number of people; of pictures for rafdb"
    )
    parser.add_argument(
        "--seconds", type=float, required=True, help="mean length of the videos; of no effect for rafdb"
    )
    parser.add_argument("--seed", type=int, required=True, help="other people and movements for another seed")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side (default %(default)s)")
    parser.add_argument(
        "--videos-per-identity", type=int, default=2, help="for voxceleb only (default %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 is one per core (default)")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="also draw a contact sheet of all units")


def _generate(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from shards.synthetic.generate import GenerateConfig, generate
    from shards.synthetic.sheet import contact_sheet

    names = ("out", "layout", "identities", "seconds", "seed", "size", "videos_per_identity", "workers")
    with checked():
        config = GenerateConfig(**{name: getattr(args, name) for name in names})
    with tqdm(desc="generate", unit="video", file=sys.stderr, delay=0.5) as bar:

        def show(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        generate(config, show)
    if args.sheet:
        contact_sheet(args.sheet, args.seed, min(args.identities, 4))
    say(f"videos of {args.identities} generated people are in {args.out}")
    return 0


def _pack_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the data set")
    parser.add_argument("url", metavar="URL", help="where the set goes: s3://BUCKET/PATH or a folder")
    parser.add_argument(
        "--layout",
        required=True,
        metavar="NAME",
        help="form of the data set: folder (any videos), voxceleb, face_tracks (folders of pictures), disfa, "
        "bp4d, bp4d_plus, gft, aff_wild2 or rafdb",
    )
    parser.add_argument("--namespace", default="", help="name of the set in keys (default: the layout's)")
    parser.add_argument("--size", type=int, default=224, help="pixels of a crop's side (default %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 is one per core (default)")
    parser.add_argument("--detect-every", type=int, default=5, help="frames (default %(default)s)")
    parser.add_argument("--frames-per-sample", type=int, default=64, help="default %(default)s")
    parser.add_argument("--videos-per-unit", type=int, default=32, help="default %(default)s")
    parser.add_argument("--max-shard-mib", type=int, default=256, help="default %(default)s")
    parser.add_argument("--spool", type=Path, help="folder for encoded frames (default: the temporary one)")


def _pack(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from shards.pack.pack import PackConfig, pack

    names = ("source", "url", "layout", "namespace", "size", "workers", "detect_every", "frames_per_sample")
    given: dict[str, Any] = {name: getattr(args, name) for name in (*names, "videos_per_unit", "spool")}
    with checked():
        config = PackConfig(max_shard_bytes=args.max_shard_mib * 2**20, **given)
    with tqdm(desc="pack", unit="video", file=sys.stderr, delay=0.5) as bar:
        manifest = pack(config, lambda progress: _show(bar, progress))
    totals = manifest.totals
    say(
        f"{totals.samples} samples, {totals.frames} frames, {totals.seconds / 3600:.2f} hours, "
        f"{totals.videos} videos and {totals.identities} people at {args.url}"
    )
    failures = ", ".join(f"{count} {reason}" for reason, count in totals.failures.items())
    say(f"gave nothing (see failures/): {failures or 'none'}")
    say(f"set {manifest.digest}")
    return 0


def _show(bar: Any, progress: "Progress") -> None:
    if progress.note:
        bar.write(f"pack: {progress.note}", file=sys.stderr)
        progress.note = ""
    bar.total, bar.n = progress.videos, progress.videos_done
    elapsed = bar.format_dict["elapsed"] or 1e-9
    lines = sum(progress.failures.values())
    bar.set_postfix_str(f"{progress.frames / elapsed:.0f} frames/s, {lines} failure lines", refresh=False)
    bar.refresh()


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set")
    parser.add_argument("--deep", action="store_true", help="also decode every frame and read every label")


def _verify(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from shards.verify import verify

    with tqdm(desc="verify", unit="file", file=sys.stderr, delay=0.5) as bar:
        report = verify(args.url, args.deep, lambda _: bar.update())
    for problem in report.problems[:MOST_PROBLEMS]:
        say(f"problem: {problem}")
    if len(report.problems) > MOST_PROBLEMS:
        say(f"and {len(report.problems) - MOST_PROBLEMS} more problems")
    say(
        f"{report.files} files, {report.bytes} bytes, {report.samples} samples, {report.frames} frames: "
        f"{len(report.problems)} problems"
    )
    return 1 if report.problems else 0


def _order_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="shard set")
    parser.add_argument("--global-batch", type=int, required=True, metavar="G", help="clips per step")
    parser.add_argument("--ranks", type=int, default=1, metavar="R", help="readers that share each step")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="threads of each reader")
    parser.add_argument("--start-step", type=int, default=0, metavar="K")
    parser.add_argument("--steps", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all frames' names and pixel digests")


def _order(args: argparse.Namespace) -> int:
    import json

    from shards.order import OrderRequest, order

    with checked():
        steps = list(
            order(
                OrderRequest(
                    args.url,
                    args.global_batch,
                    args.ranks,
                    args.workers,
                    args.start_step,
                    args.steps,
                    args.seed,
                )
            )
        )
    for step in steps:
        say(f"step {step['step']}: {len(step['frames'])} frames, pixels {step['pixels_sha256'][:16]}")
    if args.json is not None:
        args.json.write_text(json.dumps({"steps": steps}) + "\n")
    return 0


COMMANDS = [
    Command(
        "generate",
        "videos of made-up people with exact action units, in a data set's own form",
        "python -m shards generate runs/disfa --layout disfa --identities 6 --seconds 20 --seed 1",
        _generate_arguments,
        _generate,
    ),
    Command(
        "pack",
        "videos or pictures into a shard set: decode, detect, track, align, crop, encode",
        "python -m shards pack runs/disfa s3://bucket/disfa --layout disfa --size 96",
        _pack_arguments,
        _pack,
    ),
    Command(
        "verify",
        "check every file, count, member and frame of a set; exit 1 if something is wrong",
        "python -m shards verify s3://bucket/disfa --deep",
        _verify_arguments,
        _verify,
    ),
    Command(
        "order",
        "stream a set as training would, and print what comes when",
        "python -m shards order s3://bucket/voxceleb --global-batch 32 --ranks 4 --steps 10",
        _order_arguments,
        _order,
    ),
]
