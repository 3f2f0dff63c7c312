"""The report as one HTML file: no network, no scripts, readable on a phone.

Axes: A AUs.
"""

from html import escape
from typing import Any

from finetune.arms import LOWER_IS_BETTER
from pretrain.metrics.people import Interval

COLOURS = {"pretrained": "var(--one)", "random": "var(--two)"}
LABELS = {
    "f1": "F1 (higher is better)",
    "auc": "Area under the ROC curve (higher is better)",
    "icc": "ICC(3,1) (higher is better)",
    "mae": "Mean absolute error, intensity units (lower is better)",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #5d6b7c; --rule: #d9dfe6;
  --one: #1f6fb4; --two: #e08a1e; --base: #3c4654; --note: #fff6df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --paper: #14181e; --faint: #9aa7b6;
  --rule: #313a45; --one: #5aa7e8; --two: #f0a848; --base: #c3ccd6; --note: #3a3018; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 54rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
p { margin: .4rem 0; } .note { background: var(--note); border-radius: 6px; padding: .6rem .8rem; }
.faint { color: var(--faint); font-size: .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: right; padding: .28rem .5rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } tr.mean td { font-weight: 650; }
td small { color: var(--faint); } svg { width: 100%; height: auto; display: block; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .9em; }
"""
ROW_PIXELS, BAR_PIXELS, LEFT, RIGHT, WIDTH = 40, 13, 52, 14, 560


def html_page(
    tables: list[dict[str, Any]],
    stages: list[dict[str, Any]],
    caption: str,
    results: list[dict[str, Any]],
) -> str:
    """The whole document."""
    parts = [
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Facial action units: scores</title><style>{STYLE}</style></head><body>",
        "<h1>Facial action units: scores on unseen people</h1>",
        f"<p class='note'>{escape(caption)}</p>",
        *(_task(table, caption) for table in tables),
        _throughput(stages),
        _jobs(results),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _task(table: dict[str, Any], caption: str) -> str:
    parts = [f"<h2>{escape(table['title'])}</h2>"]
    for name, score in table["scores"].items():
        parts.append(f"<h3>{escape(LABELS[name])}</h3>")
        if score["difference"] is not None:
            value, interval = score["difference"]
            sign = "better" if (value < 0) == (name in LOWER_IS_BETTER) else "worse"
            proof = "" if interval.low * interval.high > 0 else ", not proven: the interval holds 0"
            parts.append(
                f"<p>Pretrained minus random: <b>{value:+.3f}</b> [{interval.low:+.3f}, {interval.high:+.3f}]"
                f" ({sign}{proof}).</p>"
            )
        parts += [_legend(score, table), _bars(table, score), _numbers(table, score)]
    parts.append(f"<p class='faint'>{escape(table['unseen'])} {escape(caption)}</p>")
    return "\n".join(parts)


def _legend(score: dict[str, Any], table: dict[str, Any]) -> str:
    keys = "".join(
        f"<span class='key' style='background:{COLOURS[start]}'></span>{start}" for start in score["arms"]
    )
    return (
        f"<p class='faint'>{keys}<span class='key' style='background:var(--base);width:.2em'></span>"
        f"{escape(table['baseline'].replace('_', ' '))}</p>"
    )


def _bars(table: dict[str, Any], score: dict[str, Any]) -> str:
    """Horizontal bars per AU with interval whiskers, and a tick for the row to beat."""
    aus, arms = table["aus"], score["arms"]
    base_A, base_mean = score["baseline"]
    rows = [
        (f"AU{au}", [(s, arm.value_A[i], arm.interval(i)) for s, arm in arms.items()], base_A[i])
        for i, au in enumerate(aus)
    ]
    rows.append(("mean", [(s, arm.mean, arm.mean_interval) for s, arm in arms.items()], base_mean))
    highs = [x for _, bars, base in rows for _, value, span in bars for x in (value, span.high, base)]
    lows = [x for _, bars, _ in rows for _, value, span in bars for x in (value, span.low)]
    top = max([0.05, *(x for x in highs if x == x)])
    bottom = min([0.0, *(x for x in lows if x == x)])
    place = _Scale(bottom, top)
    height = ROW_PIXELS * len(rows) + 22
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='scores per AU'>"]
    zero = place(0.0)
    for number, (label, bars, base) in enumerate(rows):
        y = number * ROW_PIXELS + 4
        parts.append(f"<text x='0' y='{y + 20}'>{label}</text>")
        for slot, (start, value, span) in enumerate(bars):
            parts.append(_bar(place, zero, y + slot * (BAR_PIXELS + 2), value, span, COLOURS[start]))
        if base == base:
            x = place(base)
            parts.append(f"<rect x='{x - 1.5:.1f}' y='{y - 2}' width='3' height='34' fill='var(--base)'/>")
    parts.append(f"<line x1='{zero:.1f}' x2='{zero:.1f}' y1='0' y2='{height - 20}' stroke='var(--faint)'/>")
    for value in {bottom, 0.0, top}:
        parts.append(f"<text x='{place(value):.1f}' y='{height - 4}' text-anchor='middle'>{value:.2f}</text>")
    return "".join([*parts, "</svg>"])


class _Scale:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT - 12)


def _bar(place: _Scale, zero: float, y: float, value: float, span: Interval, colour: str) -> str:
    if value != value:
        return ""
    x = place(value)
    bar = (
        f"<rect x='{min(x, zero):.1f}' y='{y}' width='{max(abs(x - zero), 1):.1f}' height='{BAR_PIXELS}' "
        f"rx='2' fill='{colour}'/>"
    )
    if span.low != span.low:
        return bar
    middle = y + BAR_PIXELS / 2
    return bar + (
        f"<line x1='{place(span.low):.1f}' x2='{place(span.high):.1f}' y1='{middle}' y2='{middle}' "
        "stroke='var(--ink)' stroke-width='1.5'/>"
    )


def _numbers(table: dict[str, Any], score: dict[str, Any]) -> str:
    base_A, base_mean = score["baseline"]
    head = "".join(f"<th>{start}</th>" for start in score["arms"])
    lines = [f"<tr><th></th>{head}<th>{escape(table['baseline'].replace('_', ' '))}</th></tr>"]
    for index, au in enumerate(table["aus"]):
        cells = [_cell(arm.value_A[index], arm.interval(index)) for arm in score["arms"].values()]
        lines.append(_row(f"AU{au}", [*cells, _cell(base_A[index])]))
    cells = [_cell(arm.mean, arm.mean_interval) for arm in score["arms"].values()]
    lines.append(_row("mean", [*cells, _cell(base_mean)], "mean"))
    upper = [_cell(value) for value in score["best_on_test"].values()]
    lines.append(_row("best on test: upper bound, paper style", [*upper, ""]))
    return f"<div class='scroll'><table>{''.join(lines)}</table></div>"


def _cell(value: float, span: Interval | None = None) -> str:
    if value != value:
        return "-"
    return f"{value:.3f}" + (f" <small>[{span.low:.3f}, {span.high:.3f}]</small>" if span else "")


def _row(label: str, cells: list[str], kind: str = "") -> str:
    return f"<tr class='{kind}'><td>{escape(label)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _throughput(stages: list[dict[str, Any]]) -> str:
    lines = ["<tr><th>stage</th><th>amount</th><th>seconds</th><th>rate</th></tr>"]
    for entry in stages:
        unit = escape(str(entry["unit"]))
        rate = entry["count"] / max(entry["seconds"], 1e-9)
        lines.append(
            _row(
                entry["stage"],
                [f"{entry['count']:,} {unit}", f"{entry['seconds']:.1f}", f"{rate:,.0f} {unit}/s"],
            )
        )
    return f"<h2>Throughput</h2><div class='scroll'><table>{''.join(lines)}</table></div>"


def _jobs(results: list[dict[str, Any]]) -> str:
    lines = ["<tr><th>job</th><th>fold</th><th>seed</th><th>chosen</th><th>data</th></tr>"]
    for result in results:
        chosen = result["chosen"]
        when = f"epoch {chosen['linear_epoch']}" if "linear_epoch" in chosen else f"step {chosen['step']}"
        lines.append(
            _row(
                f"{result['task']}, {result['init']['init']}",
                [
                    str(result["protocol"]["fold"]),
                    str(result["seed"]),
                    escape(f"{when}, by {chosen['by']}"),
                    f"<small>{escape(result['data']['digest'][:12])}</small>",
                ],
            )
        )
    return f"<h2>Jobs</h2><div class='scroll'><table>{''.join(lines)}</table></div>"
