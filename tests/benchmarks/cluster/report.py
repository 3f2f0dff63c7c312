"""The dated result file of clusters: JSON with every number, and Markdown to read."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import record

PACKAGES = ("ray", "torch", "deepspeed", "mlflow")
RECOVERY_BAR_SECONDS, RAY_BAR, TRACKING_BAR = 40.0, 1.03, 1.03


def write(out: Path, facts: Mapping[str, str], given: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Write `cluster-<date>.json` and `.md` into `out`, and show the text."""
    versions = {name: version(name) for name in PACKAGES}
    content = {**facts, "versions": versions, "size": given, **parts}
    record.write_result(out, "cluster", content, text(facts, versions, given, parts))


def text(
    facts: Mapping[str, str], versions: Mapping[str, str], given: Mapping[str, Any], parts: Mapping[str, Any]
) -> str:
    """The Markdown."""
    software = ", ".join(f"{name} {number}" for name, number in versions.items())
    sections = {"kills": _kills, "ranks": _ranks, "overhead": _overhead, "tracking": _tracking}
    return (
        "\n\n".join(
            [
                f"# Clusters, {facts['date']}",
                f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}, {software}.",
                "CLP on drawn clips; Ray's head, its nodes of one CPU each, the store and MLflow share the "
                "host's cores with the ranks.",
                *(section(parts[name], given) for name, section in sections.items() if name in parts),
            ]
        )
        + "\n"
    )


def _kills(part: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    before, rows = 0.0, []
    for name, seconds in part["phases"].items():
        rows.append([name, f"{seconds - before:.1f}", f"{seconds:.1f}"])
        before = seconds
    recovery, wrong = part["recovery_seconds"], len(part["missing_or_other_steps"])
    return "\n\n".join(
        [
            f"## A worker killed every {given['every_seconds']:g} s",
            f"{part['kills']} kills in {part['steps']} steps of {part['step_seconds'] * 1000:.0f} ms, a "
            f"checkpoint every {given['kill_save_every']} steps. Medians, in seconds from the kill:",
            record.markdown(("", "phase", "since the kill"), rows),
            f"Bars: recovery within {RECOVERY_BAR_SECONDS:g} s: {recovery:.1f} s{_missed(recovery <= 40)}. "
            f"Goodput at least {part['bar']:.3f}: {part['goodput']:.3f}"
            f"{_missed(part['goodput'] >= part['bar'])}. Steps of other clips than the undisturbed run's: "
            f"{wrong}{_missed(not wrong)}. Losses differ from its by {part['furthest_loss']:.1e} at most.",
        ]
    )


def _ranks(part: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    wrong = len(part["other_steps"])
    return (
        f"## {part['ranks']} ranks on {part['ranks']} nodes, and one process\n\n"
        f"{given['rank_steps']} steps with the same global batch. Steps of other clips: {wrong}"
        f"{_missed(not wrong)}. Losses differ by {part['furthest_loss']:.1e} at most."
    )


def _overhead(part: list[dict[str, Any]], given: Mapping[str, Any]) -> str:
    ratios = [one["ray_step_ms"] / one["torchrun_step_ms"] for one in part]
    rows = [
        ["a step under torchrun, ms", *record.spread([one["torchrun_step_ms"] for one in part])],
        ["a step under Ray, ms", *record.spread([one["ray_step_ms"] for one in part])],
        ["Ray / torchrun, within a round", *record.spread(ratios)],
    ]
    for side in ("torchrun", "ray"):
        for kind in part[0][f"{side}_pss_mb"]:
            found = [one[f"{side}_pss_mb"].get(kind, 0.0) for one in part]
            rows.append([f"{side}: {kind}, MB of PSS", *record.spread(found)])
    worst = max(one["furthest_loss"] for one in part)
    return "\n\n".join(
        [
            "## Ray against torchrun",
            f"Two ranks; medians of steps {given['skip']} to {given['steps']}. A rank's memory is the mean "
            "of the two, other kinds are summed.",
            record.markdown(("", "median", "range"), rows),
            f"Bar: at most {RAY_BAR}: {median(ratios):.3f}{_missed(median(ratios) <= RAY_BAR)}. Losses "
            f"differ by {worst:.1e} at most.",
        ]
    )


def _tracking(part: list[dict[str, Any]], given: Mapping[str, Any]) -> str:
    ratios = [one["away_step_ms"] / one["there_step_ms"] for one in part]
    whole = all(one["steps_later"] == given["steps"] for one in part)
    rows = [
        ["a step with MLflow, ms", *record.spread([one["there_step_ms"] for one in part])],
        ["a step without, ms", *record.spread([one["away_step_ms"] for one in part])],
        ["without / with, within a round", *record.spread(ratios)],
    ]
    return "\n\n".join(
        [
            "## MLflow away from start to end",
            record.markdown(("", "median", "range"), rows),
            f"Bar: at most {TRACKING_BAR}: {median(ratios):.3f}{_missed(median(ratios) <= TRACKING_BAR)}. "
            f"All metrics are there after they were sent, once each: {'yes' if whole else 'no: missed'}.",
        ]
    )


def _missed(met: bool) -> str:
    return "" if met else " (missed)"
