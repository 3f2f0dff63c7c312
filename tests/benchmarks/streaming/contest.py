"""Runs the sides as processes, interleaved in rounds."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from infra.stages import say
from tests.benchmarks.streaming.environment import python_for
from tests.benchmarks.streaming.measure import Ask

OURS = "facscale"
LIMIT_SECONDS = 900
WARM_BYTES = 8 * 2**20
HERE = "tests.benchmarks.streaming"

Result = dict[str, Any]
Round = dict[str, Result]


def run(words: Sequence[object], environment: Mapping[str, str] | None = None) -> Any:
    """What a process prints, read as JSON.

    Raises:
        RuntimeError: it failed; its errors were shown.
    """
    done = subprocess.run(
        list(map(str, words)),
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def ours(*words: object, environment: Mapping[str, str] | None = None) -> Any:
    return run([sys.executable, "-m", f"{HERE}.ours", *words], environment)


def read_ours(ask: Ask, environment: Mapping[str, str] | None = None) -> Result:
    result: Result = ours("read", json.dumps(asdict(ask)), environment=environment)
    return result


@dataclass(frozen=True)
class Sides:
    """The loaders that read one set, each in its format."""

    asks: dict[str, Ask]
    python: str

    def read(self, ask: Ask) -> Result:
        warm(Path(ask.source))
        if ask.side == OURS:
            return read_ours(ask)
        result: Result = run([self.python, "-m", f"{HERE}.peers", json.dumps(asdict(ask))])
        return result

    def check(self) -> None:
        """All sides give the same pixels for every clip of an epoch.

        Raises:
            RuntimeError: one does not.
        """
        found = {name: self.read(replace(ask, check=True))["crc32"] for name, ask in self.asks.items()}
        for name, digests in found.items():
            if digests != found[OURS]:
                wrong = sum(digests.get(key) != crc32 for key, crc32 in found[OURS].items())
                raise RuntimeError(f"{name} gives other pixels than we do in {wrong} of {len(digests)} clips")

    def best_workers(self, workers: Sequence[int]) -> "Sides":
        """Each peer with the number of workers that it is fastest with; ours stays as it is."""
        chosen = {}
        for name, ask in self.asks.items():
            tried = [replace(ask, workers=count) for count in workers] if name != OURS else [ask]
            chosen[name] = tried[0]
            if len(tried) > 1:
                seconds = {one: self.read(one)["wall_seconds"] for one in tried}
                chosen[name] = min(tried, key=lambda one: seconds[one])
                told = ", ".join(f"{one.workers} workers {seconds[one]:.2f} s" for one in tried)
                say(f"{name}: {told}")
        return replace(self, asks=chosen)

    def round(self) -> Round:
        return {name: self.read(ask) for name, ask in self.asks.items()}


def local_sides(work: Path, made: Path, peers: Sequence[str], ask: Ask) -> Sides:
    """All loaders over the same samples; the peers' copies are made where they are missing."""
    python = python_for(peers, work / "peers")
    asks = {OURS: replace(ask, side=OURS, source=str(made))}
    for peer in peers:
        source = made
        if peer != "webdataset":
            source = work / peer
            if not (source / "index.json").exists():
                say(f"writing the samples for {peer}")
                subprocess.run(
                    [python, "-m", f"{HERE}.peers", "convert", peer, str(made), str(source)],
                    check=True,
                    stdout=sys.stderr,
                )
        asks[peer] = replace(ask, side=peer, source=str(source))
    return Sides(asks, python)


def write_clips(work: Path, made: Path, frames: int, batch: int) -> Path:
    """The file that tells all sides which frames of each sample to decode."""
    path = work / f"clips-{frames}-{batch}.json"
    path.write_text(json.dumps(ours("clips", made, frames, batch)))
    return path


def ratio(
    rounds: Sequence[Round], name: str, base: str, amount: str = "frames", clock: str = "wall"
) -> float:
    """Median over rounds of the rate of `name` over that of `base`."""

    def rate(result: Result) -> float:
        return float(result[amount] / result[f"{clock}_seconds"])

    return median(rate(one[name]) / rate(one[base]) for one in rounds)


def warm(folder: Path) -> None:
    """Bring all files into the page cache: a system may have dropped what other sides did not read."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb", buffering=0) as file:
            while file.read(WARM_BYTES):
                pass


def server_cpu_seconds() -> float:
    """Processor seconds so far of the store that this process has started."""
    return sum(
        sum(process.cpu_times()[:2])
        for process in psutil.Process().children(recursive=True)
        if process.name() == "weed"
    )
