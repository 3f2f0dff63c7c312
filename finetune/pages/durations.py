"""Section: where the time and the memory went."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from finetune.pages.markup import Section, figure, folded, paragraph, table

WIDTH, ROW = 340, 26
LEFT, RIGHT = 72, 56


def durations_section(stages: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> Section:
    """Bars of the run's stages, and a table of all rates.

    Args:
        stages: {"stage", "count", "unit", "seconds"} of the run, one after another; `peak_bytes` where known.
        jobs: likewise, of the finetuning jobs' own stages.
    """
    parts: list[str] = []
    if stages:
        seconds = sum(float(stage["seconds"]) for stage in stages)
        peak = max(float(stage.get("peak_bytes", 0.0)) for stage in stages)
        memory = f" Peak memory: {peak / 1e9:.1f} GB, summed over all processes." if peak else ""
        text = f"The stages before this page took {seconds / 60:.1f} minutes, one after another.{memory}"
        parts += [paragraph(text), figure("Seconds per stage", _bars(stages))]
    parts += [_table(stages)] if stages else []
    if jobs:
        parts.append(folded("The finetuning jobs' own stages, which overlap", _table(jobs)))
    return Section("time", "Time and memory", parts)


def _table(entries: Sequence[Mapping[str, Any]]) -> str:
    with_memory = any("peak_bytes" in entry for entry in entries)
    rows = []
    for entry in entries:
        unit, rate = str(entry["unit"]), entry["count"] / max(entry["seconds"], 1e-9)
        cells = [
            str(entry["stage"]),
            f"{entry['seconds']:.1f}",
            *([f"{float(entry.get('peak_bytes', 0.0)) / 1e9:.1f} GB"] if with_memory else []),
            f"{rate:,.0f} {unit}/s" if rate >= 1 else f"{1 / max(rate, 1e-9):,.1f} s each",
            f"{entry['count']:,.0f} {unit}",
        ]
        rows.append([escape(cell) for cell in cells])
    head = ["stage", "seconds", *(["peak memory"] if with_memory else []), "rate", "amount"]
    return table(head, rows)


def _bars(stages: Sequence[Mapping[str, Any]]) -> str:
    longest = max(float(stage["seconds"]) for stage in stages) or 1.0
    height = ROW * len(stages)
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='seconds per stage'>"]
    for number, stage in enumerate(stages):
        y, width = number * ROW, float(stage["seconds"]) / longest * (WIDTH - LEFT - RIGHT)
        parts.append(f"<text x='0' y='{y + 17}'>{escape(str(stage['stage']))}</text>")
        parts.append(
            f"<rect x='{LEFT}' y='{y + 5}' width='{max(width, 1):.1f}' height='16' rx='2' "
            "style='fill:var(--one)'/>"
        )
        parts.append(f"<text x='{LEFT + width + 5:.1f}' y='{y + 17}'>{float(stage['seconds']):.0f} s</text>")
    return "".join([*parts, "</svg>"])
