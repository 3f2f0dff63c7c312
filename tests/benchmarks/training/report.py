"""The dated result file of training: JSON with every number, and Markdown to read."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import record
from tests.benchmarks.streaming.contest import Round, ratio
from tests.benchmarks.training.side import DEEPSPEED, OURS, SAME_LOADER, TORCH

ONE, TWO = "1 process, 1 core", "2 processes, 2 cores"
PACKAGES = ("torch", "deepspeed", "transformers")
OVERHEAD_HEAD = ("loop", "ms per step", "CPU ms per step", "steps/s of DeepSpeed's", "by CPU time")
OVERHEAD_CAPTION = (
    "CLP's quickstart model, one process, one thread and the loader's. `ours` is the whole of "
    "`pretrain.train`, reading and decoding included. `{same}` is a bare loop on the same loader: the bar is "
    "of these two. `{bare}` and `{torch}` are bare loops on clips that were decoded before, on the device. "
    "All have the same losses. Medians over rounds; ratios within a round."
)
RANKS_HEAD = ("", "ms per step", "CPU ms per step", "clips/s", "of one process", "by CPU time")
RANKS_CAPTION = (
    "One run, the same global batch, each process pinned to a core with its loader; CPU time is rank 0's. "
    "Medians. The quickstart's ResNet normalises over both processes' frames, so they wait for each other 32 "
    "times a step; a ViT's layers need nothing of other frames."
)
CARD_HEAD = ("model", "M parameters", "clips/s", "TFLOP/s", "of dense", "data wait", "peak memory")
CARD_CAPTION = (
    "CLP on {device}. FLOPs of a step are torch's count of its forward and backward, the momentum encoder's "
    "forward included; the dense rate is that of a matrix product in the same run."
)
PROFILE_HEAD = ("of {model}", "calls", "ms", "share")


@dataclass
class Report:
    """What was measured; parts that were not are left out."""

    facts: dict[str, str]
    notes: list[str] = field(default_factory=list)
    overhead: list[Round] = field(default_factory=list)
    ranks: dict[str, list[Round]] = field(default_factory=dict)
    """Rounds by backbone."""
    card: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Write `training-<date>.json` and `.md` into `out`, and show the tables."""
        versions = {name: version(name) for name in PACKAGES}
        parts = {name: value for name, value in vars(self).items() if name != "facts"}
        content = {**self.facts, "versions": versions, **parts, "ratios": self.ratios()}
        record.write_result(out, "training", content, self.text(versions))

    def ratios(self) -> dict[str, float]:
        """Every ratio that a bar is about, the median over rounds."""
        pairs = ((OURS, SAME_LOADER), (OURS, DEEPSPEED), (OURS, TORCH), (DEEPSPEED, TORCH))
        found = {
            f"time: {name} / {base}, {clock}": 1 / ratio(self.overhead, name, base, "clips", clock)
            for name, base in (pairs if self.overhead else ())
            for clock in ("wall", "cpu")
        }
        for name, rounds in self.ranks.items():
            for clock in ("wall", "cpu"):
                found[f"rate, {name}: {TWO} / {ONE}, {clock}"] = ratio(rounds, TWO, ONE, "clips", clock)
        found |= {f"MFU: {name}": one["mfu"] for name, one in self.card.items()}
        return {name: round(value, 4) for name, value in found.items()}

    def text(self, versions: dict[str, str]) -> str:
        """The Markdown."""
        facts = self.facts
        software = ", ".join(f"{name} {number}" for name, number in versions.items())
        parts = [
            f"# Training, {facts['date']}",
            f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}, {software}.",
            *self.notes,
        ]
        if self.overhead:
            caption = OVERHEAD_CAPTION.format(same=SAME_LOADER, bare=DEEPSPEED, torch=TORCH)
            parts += [caption, record.markdown(OVERHEAD_HEAD, self._overhead())]
        if self.ranks:
            parts += [RANKS_CAPTION, record.markdown(RANKS_HEAD, self._ranks())]
        if self.card:
            device = next(iter(self.card.values()))["device"]
            rows = [_card(name, one) for name, one in self.card.items()]
            parts += [CARD_CAPTION.format(device=device), record.markdown(CARD_HEAD, rows)]
        for name, one in self.card.items():
            head = [title.format(model=name) for title in PROFILE_HEAD]
            parts.append(record.markdown(head, [_kernel(row) for row in one["profile"]]))
        if self.overhead or self.ranks:
            numbers = [[name, f"{value:.3f}"] for name, value in self.ratios().items()]
            parts.append(record.markdown(("ratio", "median"), numbers))
        return "\n\n".join(parts) + "\n"

    def _overhead(self) -> list[list[str]]:
        return [
            [
                name,
                *(f"{_step_ms(self.overhead, name, clock):.1f}" for clock in ("wall", "cpu")),
                *(f"{ratio(self.overhead, name, DEEPSPEED, 'clips', c):.3f}" for c in ("wall", "cpu")),
            ]
            for name in self.overhead[0]
        ]

    def _ranks(self) -> list[list[str]]:
        return [
            [
                f"{backbone}: {name}",
                *(f"{_step_ms(rounds, name, clock):.1f}" for clock in ("wall", "cpu")),
                f"{median(one[name]['clips'] / one[name]['wall_seconds'] for one in rounds):.1f}",
                *(f"{ratio(rounds, name, ONE, 'clips', clock):.2f}" for clock in ("wall", "cpu")),
            ]
            for backbone, rounds in self.ranks.items()
            for name in (ONE, TWO)
        ]


def _step_ms(rounds: list[Round], name: str, clock: str) -> float:
    return 1000 * median(one[name][f"{clock}_seconds"] / one[name]["steps"] for one in rounds)


def _card(name: str, one: dict[str, Any]) -> list[str]:
    peak = one["gpu_peak_bytes"] or one["peak_bytes"]
    return [
        *(name, f"{one['million_parameters']:.1f}", f"{one['clips'] / one['wall_seconds']:.1f}"),
        *(f"{one['achieved_flops_per_s'] / 1e12:.3g}", f"{100 * one['mfu']:.1f} %"),
        *(f"{100 * one['wait_share']:.1f} %", f"{peak / 2**30:.1f} GiB"),
    ]


def _kernel(row: dict[str, Any]) -> list[str]:
    return [
        f"`{row['name']}`",
        str(row["calls"]),
        f"{row['milliseconds']:.1f}",
        f"{100 * row['share']:.1f} %",
    ]
