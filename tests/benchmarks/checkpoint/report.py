"""The dated result file of saving: JSON with every number, and Markdown to read."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import record

Result = Mapping[str, Any]
PACKAGES = ("torch", "deepspeed")
STALL = "stall / step, worst save"
CAPTION = (
    "CLP with {parameters:.1f} M trained parameters and its momentum encoder: {megabytes:.0f} MB per "
    "checkpoint, saved every {every} steps to an S3 store on the same host, {latency:g} ms added to each "
    "request. One process, one thread for training; the store, the proxy that adds the latency and the "
    "upload share the other core. A stall is what `Checkpoints.save` takes of the loop, waiting for the save "
    "before it included; a step is the median of those that no upload overlaps. Copies of the state are of "
    "the process's peak memory over saves less that over steps without: the copy that is sent, and a few "
    "parts of 16 MiB on their way, whatever the size. Medians over rounds, the range after them."
)
BAR = "Bar: the worst stall is less than one step. Found: {found:.2f} of a step in the worst round{missed}."


def numbers_of(result: Result) -> dict[str, float]:
    """What one round says, in seconds, MB per second, and shares of a step without an upload."""
    quiet = [step for step in result["steps"] if not step["upload"]]
    busy = [step for step in result["steps"] if step["upload"]]
    if not quiet or not busy:
        raise ValueError(
            f"found {len(quiet)} steps without an upload and {len(busy)} beside one, wanted both; raise "
            "--size quiet or every"
        )
    step, cpu = (median(one[f"{clock}_seconds"] for one in quiet) for clock in ("wall", "cpu"))
    stalls = [save["stall_seconds"] for save in result["saves"]]
    commit, stored = median(save["commit_seconds"] for save in result["saves"]), result["checkpoint_bytes"]
    return {
        "step, s": step,
        "stall, s": median(stalls),
        "of it waiting for the save before, s": median(save["waited_seconds"] for save in result["saves"]),
        "stall / step, median save": median(stalls) / step,
        STALL: max(stalls) / step,
        "step beside an upload / step, wall": median(one["wall_seconds"] for one in busy) / step,
        "step beside an upload / step, CPU of the process": median(one["cpu_seconds"] for one in busy) / cpu,
        "from save to commit, s": commit,
        "saved, MB/s": stored / commit / 1e6,
        "copies of the state while saving": (result["saving_peak_bytes"] - result["quiet_peak_bytes"])
        / stored,
        "the store's CPU for a save, s": result["server_cpu_seconds"] / len(result["saves"]),
        "restore, s": result["restore_seconds"],
        "restored, MB/s": stored / result["restore_seconds"] / 1e6,
    }


def table(rounds: Sequence[Result]) -> dict[str, list[float]]:
    """Each number, round by round."""
    found = [numbers_of(one) for one in rounds]
    return {name: [round(numbers[name], 4) for numbers in found] for name in found[0]}


def text(
    facts: Mapping[str, str], versions: Mapping[str, str], given: Result, rounds: Sequence[Result]
) -> str:
    """The Markdown."""
    numbers = table(rounds)
    worst = max(numbers[STALL])
    software = ", ".join(f"{name} {number}" for name, number in versions.items())
    rows = [[name, *record.spread(values)] for name, values in numbers.items()]
    parts = [
        f"# Saving, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}, {software}.",
        CAPTION.format(
            parameters=rounds[0]["million_parameters"],
            megabytes=rounds[0]["checkpoint_bytes"] / 1e6,
            every=given["every"],
            latency=given["latency_ms"],
        ),
        BAR.format(found=worst, missed="" if worst < 1 else ": missed"),
        record.markdown(("", "median", "range"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def write(out: Path, facts: Mapping[str, str], given: Result, rounds: Sequence[Result]) -> None:
    """Write `checkpoint-<date>.json` and `.md` into `out`, and show the table."""
    versions = {name: version(name) for name in PACKAGES}
    content = {**facts, "versions": versions, "size": given, "rounds": rounds, "numbers": table(rounds)}
    record.write_result(out, "checkpoint", content, text(facts, versions, given, rounds))
