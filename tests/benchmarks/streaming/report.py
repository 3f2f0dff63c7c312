"""The dated result file of streaming: JSON with every number, and Markdown to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import record
from tests.benchmarks.streaming.contest import OURS, Round, ratio
from tests.benchmarks.streaming.store import LOCAL, READS

CLIPS, WHOLE = "clips", "whole samples"
S3FS = "s3fs open().read()"
LOCAL_HEAD = ("", "workers", "clips/s", "frames/s", "CPU s per 1000 frames", "ours / this, wall", "CPU")
LOCAL_CAPTION = (
    "Decoded uint8 {kind} from local shards in the page cache; medians over rounds, ratios of frames per "
    "second within a round. All sides decode the same frames by the same decoder: every clip of an epoch was "
    "found to have the same pixels. Peers: neither shuffled nor augmented, no checksums, with the number of "
    "worker processes that is best for them. Ours: shuffled, each frame verified by CRC, worker threads."
)
FETCH_HEAD = ("", "MB/s", "CPU s per GB", "server's", "of s3fs", "of the fastest client")
FETCH_CAPTION = (
    "All frames of all samples from an object store on loopback, nothing decoded; it shares the cores."
)
LOADER_HEAD = ("", "frames/s", "of local", "by our CPU time", "CPU s per 1000 frames", "server's")
LOADER_CAPTION = (
    "The full loader, decoded uint8 clips, from the disk and from the store, which works on the same cores; "
    "so does the proxy."
)
AMOUNT_HEAD = ("", "clips", "requests per clip", "bytes fetched per byte decoded")
START_HEAD = (
    "step",
    "seconds to the first batch",
    "of these, opening the set",
    "requests",
    "shards' bytes read",
)
PLAN_HEAD = ("rows", "units", "seconds to the first batch", "CPU us per sample", "peak MiB", "of it imports")
PLAN_CAPTION = "Opening and planning a set in a new process, by distinct identity; medians."
START_CAPTION = "A run that goes on, in a new process, without its imports; medians."


@dataclass
class Report:
    """What was measured; parts that were not are left out."""

    facts: dict[str, str]
    notes: list[str] = field(default_factory=list)
    workers: dict[str, dict[str, int]] = field(default_factory=dict)
    local: dict[str, list[Round]] = field(default_factory=dict)
    fetching: list[Round] = field(default_factory=list)
    loader: list[Round] = field(default_factory=list)
    amounts: dict[str, dict[str, float]] = field(default_factory=dict)
    starts: list[dict[str, float]] = field(default_factory=list)
    plans: list[dict[str, float]] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write `streaming-<date>.json` and `.md` into `out`, and show the tables."""
        parts = {name: value for name, value in vars(self).items() if name != "facts"}
        record.write_result(out, "streaming", {**self.facts, **parts, "ratios": self.ratios()}, self.text())

    def ratios(self) -> dict[str, float]:
        """Every ratio that a bar is about, the median over rounds."""
        found = {
            f"{kind}: {OURS} / {peer}, {clock}": ratio(rounds, OURS, peer, clock=clock)
            for kind, rounds in self.local.items()
            for peer in rounds[0]
            if peer != OURS
            for clock in ("wall", "cpu")
        }
        if self.fetching:
            for name in self.fetching[0]:
                found[f"fetching: {name} / {S3FS}"] = ratio(self.fetching, name, S3FS, "bytes")
        if self.loader:
            for name in self.loader[0]:
                found[f"loader: {name} / {LOCAL}"] = ratio(self.loader, name, LOCAL)
        for name, amount in self.amounts.items():
            found[f"fetched / decoded: {name}"] = amount["bytes_fetched"] / amount["bytes_decoded"]
        return {name: round(value, 4) for name, value in found.items()}

    def text(self) -> str:
        """The Markdown."""
        facts = self.facts
        parts = [
            f"# Streaming, {facts['date']}",
            f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
            *self.notes,
        ]
        for kind, rounds in self.local.items():
            rows = _local(rounds, self.workers[kind])
            parts += [LOCAL_CAPTION.format(kind=kind), record.markdown(LOCAL_HEAD, rows)]
        if self.fetching:
            parts += [FETCH_CAPTION, record.markdown(FETCH_HEAD, _fetching(self.fetching))]
        if self.loader:
            parts += [LOADER_CAPTION, record.markdown(LOADER_HEAD, _loader(self.loader))]
        if self.amounts:
            parts.append(record.markdown(AMOUNT_HEAD, _amounts(self.amounts)))
        if self.starts:
            parts += [START_CAPTION, record.markdown(START_HEAD, _starts(self.starts))]
        if self.plans:
            parts += [PLAN_CAPTION, record.markdown(PLAN_HEAD, [_plan(self.plans)])]
        return "\n\n".join(parts) + "\n"


def _per(rounds: Sequence[Round], name: str, amount: str, of: str) -> float:
    return median(one[name][amount] / one[name][of] for one in rounds)


def _local(rounds: list[Round], workers: dict[str, int]) -> list[list[str]]:
    return [
        [
            *(name, str(workers[name])),
            f"{_per(rounds, name, 'clips', 'wall_seconds'):.0f}",
            f"{_per(rounds, name, 'frames', 'wall_seconds'):.0f}",
            f"{1000 * _per(rounds, name, 'cpu_seconds', 'frames'):.3f}",
            f"{ratio(rounds, OURS, name):.2f}",
            f"{ratio(rounds, OURS, name, clock='cpu'):.2f}",
        ]
        for name in rounds[0]
    ]


def _fetching(rounds: list[Round]) -> list[list[str]]:
    ours = [name for name in rounds[0] if name.startswith(READS)]
    clients = [name for name in rounds[0] if name not in ours]
    fastest = max(clients, key=lambda name: _per(rounds, name, "bytes", "wall_seconds"))
    return [
        [
            name,
            f"{_per(rounds, name, 'bytes', 'wall_seconds') / 1e6:.0f}",
            f"{1e9 * _per(rounds, name, 'cpu_seconds', 'bytes'):.2f}",
            f"{1e9 * _per(rounds, name, 'server_cpu_seconds', 'bytes'):.2f}",
            f"{ratio(rounds, name, S3FS, 'bytes'):.2f}",
            f"{ratio(rounds, name, fastest, 'bytes'):.2f}",
        ]
        for name in rounds[0]
    ]


def _loader(rounds: list[Round]) -> list[list[str]]:
    return [
        [
            name,
            f"{_per(rounds, name, 'frames', 'wall_seconds'):.0f}",
            f"{ratio(rounds, name, LOCAL):.2f}",
            f"{ratio(rounds, name, LOCAL, clock='cpu'):.2f}",
            f"{1000 * _per(rounds, name, 'cpu_seconds', 'frames'):.3f}",
            f"{1000 * _per(rounds, name, 'server_cpu_seconds', 'frames'):.3f}",
        ]
        for name in rounds[0]
    ]


def _amounts(amounts: dict[str, dict[str, float]]) -> list[list[str]]:
    return [
        [
            *(name, f"{amount['clips']:g}", f"{amount['requests_per_clip']:.2f}"),
            f"{amount['bytes_fetched'] / amount['bytes_decoded']:.2f}",
        ]
        for name, amount in amounts.items()
    ]


def _plan(plans: list[dict[str, float]]) -> list[str]:
    middle = {name: median(one[name] for one in plans) for name in plans[0]}
    return [
        *(f"{middle['rows']:.0f}", f"{middle['units']:.0f}", f"{middle['first_seconds']:.2f}"),
        f"{middle['cpu_microseconds_per_sample']:.1f}",
        *(f"{middle[name] / 2**20:.0f}" for name in ("peak_bytes", "imported_bytes")),
    ]


def _starts(starts: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for step in dict.fromkeys(start["step"] for start in starts):
        runs = [start for start in starts if start["step"] == step]

        def middle(name: str, runs: list[dict[str, Any]] = runs) -> float:
            return median(run[name] for run in runs)

        shards = median(run["bytes_fetched"] / run["shard_bytes"] for run in runs)
        rows.append(
            [
                *(f"{step:g}", f"{middle('seconds'):.2f}", f"{middle('load_seconds'):.2f}"),
                *(f"{middle('requests'):.0f}", f"{shards:.2f} shards"),
            ]
        )
    return rows
