"""The commands that look into finished sets: verify, inspect, stats, duplicates, order.

Heavy imports stand inside the functions: `--help` answers at once.
"""

import argparse
import sys
from pathlib import Path

from shards.command import Command, checked, say
from shards.errors import ShardError

MOST_PROBLEMS = 50


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


def _stats_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="also draw label rates and failures")


def _stats(args: argparse.Namespace) -> int:
    import json

    from tqdm import tqdm

    from shards.stats import measure
    from shards.stats_views import as_text, plot

    with tqdm(desc="stats", unit="sample", file=sys.stderr, delay=0.5) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        stats = measure(args.url, show)
    say(as_text(stats))
    if args.json is not None:
        args.json.write_text(json.dumps(stats.json(), indent=1) + "\n")
    if args.plot is not None:
        with checked():
            plot(stats, args.plot)
    return 0


def _inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw faces with landmarks and labels")
    parser.add_argument("--tracks", type=int, default=24, help="on the sheet (default %(default)s)")
    parser.add_argument("--sample", metavar="KEY", help="a sample to write as a video, with --video")
    parser.add_argument("--video", type=Path, metavar="MP4", help="where the sample goes")


def _inspect(args: argparse.Namespace) -> int:
    from shards.inspect import contact_sheet, sample_video

    if bool(args.sample) != bool(args.video) or not (args.sheet or args.sample):
        raise ShardError("nothing to do: give --sheet PNG, or --sample KEY with --video MP4, or both")
    if args.tracks < 1:
        raise ShardError(f"--tracks needs at least 1, found {args.tracks}")
    if args.sheet:
        say(f"{contact_sheet(args.url, args.sheet, args.tracks)} samples are on {args.sheet}")
    if args.sample:
        say(f"{sample_video(args.url, args.sample, args.video)} frames are in {args.video}")
    return 0


def _duplicates_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set")
    parser.add_argument(
        "--most-difference",
        type=float,
        default=0.16,
        metavar="X",
        help="between copies, as a share of bits (default %(default)s); more finds more, wrong ones too",
    )
    parser.add_argument(
        "--drop",
        action="store_true",
        help="stop reading the copies, from the next time that the set is opened",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all groups")


def _duplicates(args: argparse.Namespace) -> int:
    import json

    from shards.forget import forget_videos
    from shards.near_duplicates import near_duplicates

    with checked():
        found = near_duplicates(args.url, args.most_difference)
    for group in found.groups:
        say(f"{group.original} ({', '.join(group.people)})")
        for copy in group.copies:
            say(f"    {copy.difference:.3f} {copy.video} ({', '.join(copy.people)})")
    say(
        f"{len(found.copies)} videos look like copies of {len(found.groups)} others, by {found.tracks} tracks"
    )
    if found.not_compared:
        say(f"{found.not_compared} tracks were not compared: a gate had left their first sample out")
    if args.json is not None:
        args.json.write_text(json.dumps(found.json(), indent=1) + "\n")
    if args.drop and found.copies:
        dropped = forget_videos(args.url, found.copies)
        say(f"{dropped.samples} samples, {dropped.frames} frames are not read any more")
        say(f"their bytes are still there: python -m shards compact {args.url}")
    return 0


def _order_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="shard set")
    parser.add_argument("--global-batch", type=int, required=True, metavar="G", help="clips per step")
    parser.add_argument("--ranks", type=int, default=1, metavar="R", help="readers that share each step")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="threads of each reader; 0: none")
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
        "verify",
        "check every file, count, member and frame of a set; exit 1 if something is wrong",
        "python -m shards verify s3://bucket/disfa --deep",
        _verify_arguments,
        _verify,
    ),
    Command(
        "inspect",
        "look into a set: a contact sheet of its tracks, a sample as a video",
        "python -m shards inspect s3://bucket/disfa --sheet disfa.png",
        _inspect_arguments,
        _inspect,
    ),
    Command(
        "stats",
        "count a set: people, hours, sizes, label rates, failures",
        "python -m shards stats s3://bucket/disfa --plot disfa.png",
        _stats_arguments,
        _stats,
    ),
    Command(
        "duplicates",
        "find videos that are copies of others, re-encoded or rescaled, and stop reading them if asked to",
        "python -m shards duplicates s3://bucket/voxceleb --json copies.json",
        _duplicates_arguments,
        _duplicates,
    ),
    Command(
        "order",
        "stream a set as training would, and print what comes when",
        "python -m shards order s3://bucket/voxceleb --global-batch 32 --ranks 4 --steps 10",
        _order_arguments,
        _order,
    ),
]
