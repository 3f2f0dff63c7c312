"""`python -m tests.benchmarks.contrast`: what AUNCE's loss costs beside SupCon's, on the same inputs."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from statistics import median
from typing import Any

from infra.stages import say
from pretrain.config import Request, load
from tests.benchmarks import record
from tests.benchmarks.contrast.side import SIDES, Size
from tests.benchmarks.streaming.contest import run

Round = Mapping[str, Mapping[str, Any]]
RIVAL, OURS = "SupCon", "AUNCE"
MOST = {"time": 1.3, "memory": 1.5}
CAPTION = (
    "Forward and backward of the loss alone: {images} images in two views, {aus} AUs present in 5 to 60 % of "
    "them, vectors of {width} features, float32, one thread. CPU time of a step, the median of {repeats}, "
    "each with its own draw of positives; memory is the process's peak above what it had before. Each side "
    "is a process of its own in each round; ratios are within a round. Medians over rounds, the range after "
    "them. SupCon is this project's too, one AU at a time and without a tensor of pairs for its positives: "
    "it takes less than the usual form with masks."
)
BAR = "Bars, for AUNCE as it is by default: at most 1.3 x the time and 1.5 x the memory of SupCon. Found: {}."


def main(arguments: list[str]) -> None:
    parser = record.parser("contrast", __doc__, rounds=5, sizes="images, aus, width, repeats")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    words = [f"python -m tests.benchmarks.contrast --rounds {given.rounds}"]
    words += ["--size", *given.size] if given.size else []
    rounds = []
    for number in range(given.rounds):
        say(f"round {number + 1} of {given.rounds}")
        rounds.append({side: _measure(side, size) for side in SIDES})
    facts = record.facts(" ".join(words))
    content = {**facts, "torch": version("torch"), "size": asdict(size), "rounds": rounds}
    record.write_result(given.out, "contrast", content, text(facts, asdict(size), rounds))


def _measure(side: str, size: Size) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.benchmarks.contrast.side", side, json.dumps(asdict(size))]
    found: dict[str, Any] = run(words)
    return found


def ratios(rounds: Sequence[Round], side: str) -> dict[str, list[float]]:
    """A side's time and memory over SupCon's, round by round."""
    return {
        "time": [median(one[side]["seconds"]) / median(one[RIVAL]["seconds"]) for one in rounds],
        "memory": [one[side]["peak_bytes"] / one[RIVAL]["peak_bytes"] for one in rounds],
    }


def text(facts: Mapping[str, str], size: Mapping[str, Any], rounds: Sequence[Round]) -> str:
    """The Markdown."""
    rows = []
    for side in SIDES:
        milliseconds = [1e3 * median(one[side]["seconds"]) for one in rounds]
        megabytes = [one[side]["peak_bytes"] / 1e6 for one in rounds]
        over = ratios(rounds, side)
        rows.append([side, *map(_cell, (milliseconds, over["time"], megabytes, over["memory"]))])
    found = {name: median(values) for name, values in ratios(rounds, OURS).items()}
    said = [f"{value:.2f} x the {name}{': missed' * (value > MOST[name])}" for name, value in found.items()]
    head = ("", "ms a step", "x SupCon", "peak, MB", "x SupCon")
    parts = [
        f"# The contrast of AUs, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}, torch {version('torch')}.",
        CAPTION.format(**size),
        BAR.format(" and ".join(said)),
        record.markdown(head, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(values: Sequence[float]) -> str:
    middle, ends = record.spread(values)
    return f"{middle} ({ends})"


if __name__ == "__main__":
    record.run_command(main)
