"""`python -m tests.benchmarks.cluster`: what a cluster's faults, Ray and a tracking server that is away cost.

It makes its own set below the work folder, and starts its own store, MLflow and Ray nodes, which all share
this host's cores.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.server import free_ports
from infra.services import ObjectStore, TrackingServer
from infra.stages import open_folder, say
from pretrain.config import Request, load
from tests.benchmarks import record
from tests.benchmarks.cluster import report
from tests.benchmarks.cluster.kills import kill_now_and_then, summary
from tests.benchmarks.cluster.sides import furthest, plain, ray_job, torchrun, untracked
from tests.benchmarks.streaming.sets import make_set
from tests.pretrain_jobs import Nodes

SET = {"samples": 32, "frames": 64, "pixels": 64, "units": 2, "people": 8, "seed": 102}
KILLS, RANKS, OVERHEAD, TRACKING = "kills", "ranks", "overhead", "tracking"


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        every_seconds: between kills.
        minutes: of training without a kill.
        kill_save_every: steps between checkpoints while workers are killed.
        probe_steps: that tell how many steps `minutes` are.
        ranks: compared with one process.
        rank_steps: of that comparison.
        steps: of each run under Ray and torchrun, and of those with and without MLflow.
        skip: of these, before the clock.
        words: key=value of every run.
        seed: of the workers that are killed.
    """

    every_seconds: float = 300.0
    minutes: float = 20.0
    kill_save_every: int = 50
    probe_steps: int = 60
    ranks: int = 4
    rank_steps: int = 200
    steps: int = 300
    skip: int = 60
    words: list[str] = field(
        default_factory=lambda: ["encoder.image_size=64", "run.global_batch=8", "engine.zero_stage=1"]
    )
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.skip < self.steps or min(self.every_seconds, self.minutes, self.ranks) <= 0:
            raise ValueError(f"--size: found {self}, wanted 0 < skip < steps, and the other numbers above 0")


class Bench:
    """The servers, and a place of its own for each run."""

    def __init__(self, size: Size, work: Path, set_url: str, store: ObjectStore, tracking: TrackingServer):
        self.size, self._work, self._set_url = size, work, set_url
        self._store, self._environment, self._made = store, store.environment, 0
        self.uri = tracking.uri
        shutil.rmtree(work / "runs", ignore_errors=True)

    def words(self, steps: int, save_every: int) -> list[str]:
        return [
            *(f"data.url={self._set_url}", f"run.steps={steps}", f"run.save_every={save_every}"),
            *("run.log_every=1", *self.size.words),
        ]

    def place(self) -> str:
        self._made += 1
        return f"{self._store.url}/runs/{self._made}"

    def folder(self) -> Path:
        self._made += 1
        return self._work / "runs" / str(self._made)

    def nodes(self, count: int) -> Nodes:
        # Lines of equal workers are not thrown together: the phases of a recovery are read from them.
        return Nodes(self.folder(), {**self._environment, "RAY_DEDUP_LOGS": "0"}, count)


def kills(bench: Bench) -> dict[str, Any]:
    """A run whose workers are killed, and one left alone."""
    size = bench.size
    with bench.nodes(2) as nodes:
        cluster = ["cluster.workers=2", "cluster.max_failures=1000"]
        probed = ray_job(nodes, [*bench.words(size.probe_steps, 10**6), *cluster], bench.place(), bench.uri)
        steps = max(size.probe_steps, round(size.minutes * 60_000 / probed.step_ms(size.probe_steps // 2)))
        words = [*bench.words(steps, size.kill_save_every), *cluster]
        say(f"{steps} steps, left alone")
        undisturbed = ray_job(nodes, words, bench.place(), bench.uri)
        say(f"{steps} steps, a worker killed every {size.every_seconds:g} s")
        ran, recoveries = kill_now_and_then(
            nodes, words, bench.place(), bench.uri, size.every_seconds, size.seed
        )
    numbers = summary(undisturbed, ran, recoveries, size.every_seconds, size.kill_save_every)
    return {**numbers, "recoveries": recoveries, "steps": steps, "killed": plain(ran)}


def ranks(bench: Bench) -> dict[str, Any]:
    """Ranks on as many nodes against one process with the same global batch."""
    size = bench.size
    words = bench.words(size.rank_steps, 10**6)
    with bench.nodes(size.ranks) as nodes:
        many = ray_job(nodes, [*words, f"cluster.workers={size.ranks}"], bench.place(), bench.uri)
    one = torchrun(1, [*words, f"run.url={bench.place()}"], bench.folder())
    return {
        "ranks": size.ranks,
        "furthest_loss": furthest(many, one),
        "other_steps": [step for step in one.order if one.order[step] != many.order[step]],
        "many": plain(many),
        "one": plain(one),
    }


def overhead(bench: Bench, rounds: int) -> list[dict[str, Any]]:
    """Ray and torchrun in turn, two ranks each; torchrun with no Ray on the host."""
    size, found = bench.size, []
    words = bench.words(size.steps, 100)
    for number in range(rounds):
        say(f"Ray against torchrun: round {number + 1} of {rounds}")
        bare = torchrun(2, [*words, f"run.url={bench.place()}"], bench.folder())
        with bench.nodes(2) as nodes:
            under_ray = ray_job(nodes, [*words, "cluster.workers=2"], bench.place(), bench.uri)
        found.append(
            {
                "torchrun_step_ms": bare.step_ms(size.skip),
                "ray_step_ms": under_ray.step_ms(size.skip),
                "furthest_loss": furthest(under_ray, bare),
                "torchrun_pss_mb": bare.pss_mb,
                "ray_pss_mb": under_ray.pss_mb,
            }
        )
    return found


def tracking(bench: Bench, rounds: int) -> list[dict[str, Any]]:
    """MLflow there and away from start to end, in turn; then what is sent when it is back."""
    size, found = bench.size, []
    words = [*bench.words(size.steps, 100), "cluster.workers=2"]
    with bench.nodes(2) as nodes:
        for number in range(rounds):
            say(f"with MLflow and without: round {number + 1} of {rounds}")
            there = ray_job(nodes, words, bench.place(), bench.uri)
            place = bench.place()
            nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
            untracked(nodes, words, place, nobody)
            later = ray_job(nodes, words, place, bench.uri)
            found.append(
                {
                    "there_step_ms": there.step_ms(size.skip),
                    "away_step_ms": later.step_ms(size.skip),
                    "steps_later": len(later.loss),
                    "furthest_loss": furthest(later, there),
                }
            )
    return found


def main(arguments: list[str]) -> None:
    parser = record.parser("cluster", __doc__, rounds=3, sizes="every_seconds, minutes, steps")
    parts: Mapping[str, Callable[[Bench, int], Any]] = {
        KILLS: lambda bench, _: kills(bench),
        RANKS: lambda bench, _: ranks(bench),
        OVERHEAD: overhead,
        TRACKING: tracking,
    }
    parser.add_argument("--parts", nargs="*", choices=list(parts), default=list(parts), help="(all)")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    words = [f"python -m tests.benchmarks.cluster --rounds {given.rounds} --parts {' '.join(given.parts)}"]
    words += ["--size", *given.size] if given.size else []
    work: Path = given.work.absolute()
    open_folder(work, False, SET)
    set_url = str(make_set(work, **SET))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="servers-", dir=work)))
        store = stack.enter_context(ObjectStore(folder / "store"))
        os.environ.update(store.environment)
        server = TrackingServer(folder / "mlflow", f"{store.url}/mlflow", store.environment)
        bench = Bench(size, work, set_url, store, stack.enter_context(server))
        found = {name: parts[name](bench, given.rounds) for name in given.parts}
    report.write(given.out, record.facts(" ".join(words)), asdict(size), found)


if __name__ == "__main__":
    record.run_command(main)
