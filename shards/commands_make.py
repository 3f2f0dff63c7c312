"""The commands that make or change sets: generate, pack, forget, compact.

Heavy imports stand inside the functions: `--help` answers at once.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shards.command import Command, checked, say

if TYPE_CHECKING:
    from shards.pack.pack import Progress


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument(
        "--layout",
        required=True,
        metavar="NAME",
        help="data set whose form to write: voxceleb (unlabelled), disfa, bp4d, bp4d_plus, gft, aff_wild2, "
        "bp4d_lists or disfa_lists (pictures with list files), rafdb, ferplus or affectnet (single pictures)",
    )
    parser.add_argument("--identities", type=int, required=True, help="number of people; of single pictures")
    parser.add_argument(
        "--seconds",
        type=float,
        required=True,
        help="mean length of the videos",
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
    parser.add_argument("source", metavar="SOURCE", help="the data set: a folder or s3://BUCKET/PATH")
    parser.add_argument("url", metavar="URL", help="where the set goes: s3://BUCKET/PATH or a folder")
    parser.add_argument(
        "--layout",
        required=True,
        metavar="NAME",
        help="form of the data set: folder (any videos), voxceleb, face_tracks (folders of pictures), disfa, "
        "bp4d, bp4d_plus, gft, aff_wild2, bp4d_lists and disfa_lists (lists as of ME-GraphAU and JAANet), "
        "rafdb, ferplus or affectnet",
    )
    parser.add_argument("--namespace", default="", help="name of the set in keys (default: the layout's)")
    parser.add_argument("--size", type=int, default=224, help="pixels of a crop's side (default %(default)s)")
    parser.add_argument(
        "--detector",
        default="yunet",
        metavar="NAME",
        help="%(default)s (default), or PACKAGE.MODULE:NAME of your own (see shards/pack/faces/detect.py)",
    )
    parser.add_argument(
        "--crop",
        default="face5_wide",
        metavar="NAME",
        help="face5_wide (whole face, default), face5_tight (as face recognition crops), or "
        "PACKAGE.MODULE:NAME of your own (see shards/pack/faces/align.py)",
    )
    parser.add_argument(
        "--gate",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="leave out samples by the median over their frames; may be repeated. Names: least_eye_pixels "
        "(default 6), least_sharpness, most_yaw_degrees, least_score; `stats` shows what a set has",
    )
    parser.add_argument(
        "--drop-copies",
        action="store_true",
        help="leave out files that are byte by byte the same as another; without it they are only named",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 is one per core (default)")
    parser.add_argument("--detect-every", type=int, default=5, help="frames (default %(default)s)")
    parser.add_argument("--frames-per-sample", type=int, default=64, help="default %(default)s")
    parser.add_argument("--videos-per-unit", type=int, default=32, help="default %(default)s")
    parser.add_argument("--max-shard-mib", type=int, default=256, help="default %(default)s")
    parser.add_argument("--spool", type=Path, help="folder for encoded frames (default: the temporary one)")


def _pack(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from shards.pack.faces.quality import Gates
    from shards.pack.pack import PackConfig, pack

    names = ("source", "url", "layout", "namespace", "size", "detector", "crop", "workers", "detect_every")
    more = ("drop_copies", "frames_per_sample", "videos_per_unit", "spool")
    given: dict[str, Any] = {name: getattr(args, name) for name in (*names, *more)}
    with checked():
        config = PackConfig(
            gates=Gates.from_words(args.gate), max_shard_bytes=args.max_shard_mib * 2**20, **given
        )
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


def _forget_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set")
    parser.add_argument("--identity", required=True, metavar="NAME", help="person, as in the index")


def _forget(args: argparse.Namespace) -> int:
    from shards.forget import forget

    done = forget(args.url, args.identity)
    before = "" if done.new else " (as before)"
    say(f"{done.samples} samples, {done.frames} frames are not read any more{before}")
    say(f"their bytes are still there: python -m shards compact {args.url}")
    return 0


def _compact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a finished set that no run is reading")


def _compact(args: argparse.Namespace) -> int:
    from shards.forget import compact

    done = compact(args.url)
    say(f"dropped {done.samples} samples, {done.frames} frames of forgotten people and videos")
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
        "forget",
        "stop reading a person's samples, from the next time that the set is opened",
        "python -m shards forget s3://bucket/voxceleb --identity id00012",
        _forget_arguments,
        _forget,
    ),
    Command(
        "compact",
        "drop the bytes of forgotten people and dropped copies from a set",
        "python -m shards compact s3://bucket/voxceleb",
        _compact_arguments,
        _compact,
    ),
]
