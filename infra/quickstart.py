"""The whole flow on one machine; run by infra/quickstart.sh. Its servers end with it, whatever the way is."""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

from infra.flow import ROOT, Flow, QuickstartConfig
from infra.server import ServiceError
from infra.stages import MemoryWatch, StageError, need, open_folder, say
from pretrain.config import ConfigError, Request, load


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bash infra/quickstart.sh",
        description="Run the whole flow on this machine. A second start continues where the first one ended.",
        epilog="example: bash infra/quickstart.sh --run runs/small people=16 pretrain_steps=50",
    )
    parser.add_argument("--fresh", action="store_true", help="remove the run folder and start anew")
    parser.add_argument("--run", type=Path, default=ROOT / "runs/quickstart", help="run folder (%(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="sizes; see QuickstartConfig")
    given = parser.parse_args(arguments)
    config = load(QuickstartConfig, Request((), tuple(given.overrides), print_only=False))
    folder = given.run.absolute()
    open_folder(folder, given.fresh, vars(replace(config, clip="")))  # another clip is the same run
    need(folder, disk_bytes=3 * 10**9, memory_bytes=5 * 10**9)
    memory = MemoryWatch()
    flow = Flow(config, folder, memory)
    with memory, flow.servers():
        flow.run()
    minutes, peak = flow.stages.seconds / 60, memory.peak_bytes / 1e9
    say(f"all stages: {minutes:.1f} min; peak memory {peak:.1f} GB (summed PSS of all processes)")
    say(f"report: {folder / 'report.html'}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        main(sys.argv[1:])
    except (StageError, ServiceError, ConfigError) as error:
        say(str(error))
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        say("stopped; the same command continues")
        raise SystemExit(130) from None
