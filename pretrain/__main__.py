"""`python -m pretrain`: one process, or one of torchrun's."""

import logging
import sys
from pathlib import Path
from tempfile import mkdtemp

from pretrain.config import ConfigError, dump, load, parse
from pretrain.errors import FencedError, StoppedError, TrainingError
from pretrain.tracking import NoTracker, SpoolTracker, Tracker
from shards.errors import ShardError

USAGE = """
python -m pretrain FILE.yaml data.url=URL run.url=URL [key=value ...] [--print]

Pretrain an encoder on a shard set. --print shows the resolved config and, with a section `expected`, what the
run will take by arithmetic, and stops.

    python -m pretrain pretrain/configs/clp_cpu.yaml data.url=s3://bucket/voxceleb run.url=s3://bucket/runs/a
    torchrun --nproc-per-node 8 -m pretrain pretrain/configs/clp_cpu.yaml ...

python -m pretrain export-onnx ENCODER_URL FILE.onnx

Write a finished run's encoder (the folder `encoder` below run.url) as ONNX, checked against torch.
"""
EXPORT = "export-onnx"
FENCED = 3
"""Exit status where a newer attempt took over the run."""


def main(arguments: list[str]) -> None:
    if arguments[:1] == [EXPORT] and not {"-h", "--help"} & set(arguments):
        export(arguments[1:])
        return
    request = parse(arguments, USAGE)
    from pretrain.recipe import PretrainConfig, check, outlook
    from pretrain.stop import asked_by_signal
    from pretrain.train import train
    from pretrain.world import join_group

    config = load(PretrainConfig, request)
    if request.print_only:
        sys.stdout.write(dump(config) + "".join(f"# {line}\n" for line in outlook(config)))
        return
    world = join_group()
    check(config, world.size)
    tracker: Tracker = NoTracker()
    if world.rank == 0:
        spool = Path(mkdtemp(prefix="facscale-metrics-")) / "metrics.jsonl"
        sys.stderr.write(f"metrics: {spool}\n")
        tracker = SpoolTracker(spool)
    try:
        with asked_by_signal() as asked:
            url = train(config, world, tracker, {}, asked)
    except StoppedError as stopped:
        # Done as asked: a launcher that takes another exit for a failure would start the run anew.
        sys.stderr.write(f"{stopped}\n" if world.rank == 0 else "")
        return
    finally:
        tracker.finish()
    if world.rank == 0:
        sys.stderr.write(f"encoder: {url}\n")


def export(arguments: list[str]) -> None:
    if len(arguments) != 2 or not arguments[1].endswith(".onnx"):
        raise ConfigError(f"{EXPORT}: found {arguments}, wanted ENCODER_URL FILE.onnx\n\n{USAGE.strip()}")
    from pretrain.models.onnx import export_url

    url, out = arguments[0], Path(arguments[1])
    worst = export_url(url, out)
    sys.stderr.write(f"ONNX: {out}; differs from torch by at most {worst:.1e} of the largest feature\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    try:
        main(sys.argv[1:])
    except (ConfigError, ShardError, TrainingError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(FENCED if isinstance(error, FencedError) else 2) from error
