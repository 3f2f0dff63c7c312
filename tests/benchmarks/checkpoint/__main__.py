"""`python -m tests.benchmarks.checkpoint`: what a save to a store that is far away costs training.

It makes its own set below the work folder, and starts its own store and a proxy that adds latency.
"""

import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.services import ObjectStore
from infra.stages import open_folder, say
from pretrain.config import Request, load
from tests.benchmarks import record
from tests.benchmarks.checkpoint import report
from tests.benchmarks.checkpoint.loop import Ask
from tests.benchmarks.streaming.contest import run, server_cpu_seconds
from tests.benchmarks.streaming.sets import make_set
from tests.chaos.faults import Faults
from tests.chaos.proxy import Proxy

HERE = "tests.benchmarks.checkpoint"
SET = {"samples": 16, "frames": 64, "pixels": 64, "units": 2, "people": 4, "seed": 101}


@dataclass(frozen=True)
class Size:
    """How much is trained and saved.

    Attributes:
        skip: steps before the clock.
        quiet: steps after these without a save.
        saves: of a round, each followed by `every` steps.
        every: steps between saves.
        latency_ms: added to each request to the store.
        words: key=value of the run.
    """

    skip: int = 4
    quiet: int = 16
    saves: int = 4
    every: int = 16
    latency_ms: float = 30.0
    words: list[str] = field(
        default_factory=lambda: [
            *("encoder.name=vit-small", "encoder.settings.num_hidden_layers=16", "encoder.image_size=64"),
            *("clp.num_frames=4", "clp.extra_frames=1", "run.global_batch=2", "engine.zero_stage=1"),
        ]
    )

    def __post_init__(self) -> None:
        if min(self.quiet, self.saves, self.every) < 1 or self.skip < 0 or self.latency_ms < 0:
            raise ValueError(f"--size: found {self}, wanted quiet, saves, every >= 1, and the rest >= 0")


def main(arguments: list[str]) -> None:
    parser = record.parser("checkpoint", __doc__, rounds=3, sizes="every, saves, latency_ms")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    words = [f"python -m {HERE} --rounds {given.rounds}", *(["--size", *given.size] if given.size else [])]
    work: Path = given.work.absolute()
    open_folder(work, False, SET)
    made = make_set(work, **SET)
    with (
        tempfile.TemporaryDirectory(prefix="store-", dir=work) as folder,
        ObjectStore(Path(folder)) as store,
        Proxy(store.environment["AWS_ENDPOINT_URL"]) as proxy,
    ):
        proxy.set(Faults(latency_ms=size.latency_ms))
        environment = {**store.environment, "AWS_ENDPOINT_URL": proxy.url}
        rounds = []
        for number in range(given.rounds):
            say(f"saving: round {number + 1} of {given.rounds}")
            rounds.append(_round(size, made, f"{store.url}/{number}", environment))
    report.write(given.out, record.facts(" ".join(words)), asdict(size), rounds)


def _round(size: Size, made: Path, run_url: str, environment: dict[str, str]) -> dict[str, Any]:
    ask = Ask([f"data.url={made}", *size.words], run_url, size.skip, size.quiet, size.saves, size.every)
    before = server_cpu_seconds()
    found = run([sys.executable, "-m", f"{HERE}.loop", json.dumps(asdict(ask))], environment)
    return {**found, "server_cpu_seconds": server_cpu_seconds() - before}


if __name__ == "__main__":
    record.run_command(main)
