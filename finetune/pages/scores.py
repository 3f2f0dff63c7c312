"""Section: the AU scores of one task as bars and tables, beside random weights and the row to beat.

Axes: A AUs.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from finetune.arms import LOWER_IS_BETTER
from finetune.pages.markup import Section, facts, figure, folded, grid, legend, paragraph, table
from finetune.pages.svg import Scale
from pretrain.metrics.people import Interval

COLOURS = {"pretrained": "var(--one)", "random": "var(--two)"}
LABELS = {
    "f1": "F1 (higher is better)",
    "auc": "Area under the ROC curve (higher is better)",
    "icc": "ICC(3,1) (higher is better)",
    "mae": "Mean absolute error, intensity units (lower is better)",
}
ROW, BAR, LEFT, RIGHT, WIDTH = 36, 12, 46, 18, 340
"""Heights and widths in units of the drawing."""


def scores_section(scored: dict[str, Any], caption: str, look_alikes: str) -> Section:
    """One task.

    Args:
        scored: its numbers, as `report.task_table` gives them.
        caption: what the numbers are about.
        look_alikes: a line on the AUs that cannot be told apart in these faces; empty where there are none.
    """
    name = scored["task"]
    charts, tables = [], []
    for score_name, score in scored["scores"].items():
        label = LABELS[score_name]
        charts.append(
            figure(label, _difference(score_name, score), _legend(score, scored), _bars(scored, score))
        )
        tables.append(folded(f"Numbers: {label}", _numbers(scored, score)))
    notes = [line for line in (scored["unseen"], look_alikes, caption) if line]
    return Section(name, scored["title"], [grid(*charts), *tables, *(paragraph(n, "faint") for n in notes)])


def _difference(name: str, score: dict[str, Any]) -> str:
    if score["difference"] is None:
        return ""
    value, interval = score["difference"]
    sign = "better" if (value < 0) == (name in LOWER_IS_BETTER) else "worse"
    proof = "" if interval.low * interval.high > 0 else ", not shown: the interval holds 0"
    return (
        f"<p>Pretrained minus random: <b>{value:+.3f}</b> [{interval.low:+.3f}, {interval.high:+.3f}] "
        f"({sign}{proof}).</p>"
    )


def _legend(score: dict[str, Any], scored: dict[str, Any]) -> str:
    return legend(
        *((start, COLOURS[start]) for start in score["arms"]),
        (scored["baseline"].replace("_", " "), "var(--base)"),
    )


def _bars(scored: dict[str, Any], score: dict[str, Any]) -> str:
    """Horizontal bars per AU with interval whiskers, and a tick for the row to beat."""
    aus, arms = scored["aus"], score["arms"]
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
    place = Scale(bottom, top, LEFT, WIDTH - RIGHT)
    height = ROW * len(rows) + 22
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='scores per AU'>"]
    zero = place(0.0)
    for number, (label, bars, base) in enumerate(rows):
        y = number * ROW + 4
        parts.append(f"<text x='0' y='{y + 18}'>{label}</text>")
        for slot, (start, value, span) in enumerate(bars):
            parts.append(_bar(place, zero, y + slot * (BAR + 2), value, span, COLOURS[start]))
        if base == base:
            x = place(base)
            parts.append(
                f"<rect x='{x - 1.5:.1f}' y='{y - 2}' width='3' height='30' style='fill:var(--base)'/>"
            )
    parts.append(
        f"<line x1='{zero:.1f}' x2='{zero:.1f}' y1='0' y2='{height - 20}' style='stroke:var(--faint)'/>"
    )
    for value in sorted({bottom, 0.0, top}):
        if value == 0 or abs(place(value) - zero) > 30:
            parts.append(
                f"<text x='{place(value):.1f}' y='{height - 5}' text-anchor='middle'>{value:.2f}</text>"
            )
    return "".join([*parts, "</svg>"])


def _bar(place: Scale, zero: float, y: float, value: float, span: Interval, colour: str) -> str:
    if value != value:
        return ""
    x = place(value)
    bar = (
        f"<rect x='{min(x, zero):.1f}' y='{y}' width='{max(abs(x - zero), 1):.1f}' height='{BAR}' "
        f"rx='2' style='fill:{colour}'/>"
    )
    if span.low != span.low:
        return bar
    middle = y + BAR / 2
    return bar + (
        f"<line x1='{place(span.low):.1f}' x2='{place(span.high):.1f}' y1='{middle}' y2='{middle}' "
        "style='stroke:var(--ink);stroke-width:1.5'/>"
    )


def _numbers(scored: dict[str, Any], score: dict[str, Any]) -> str:
    base_A, base_mean = score["baseline"]
    rows, kinds = [], []
    for index, au in enumerate(scored["aus"]):
        cells = [_cell(arm.value_A[index], arm.interval(index)) for arm in score["arms"].values()]
        rows.append([f"AU{au}", *cells, _cell(base_A[index])])
        kinds.append("")
    means = [_cell(arm.mean, arm.mean_interval) for arm in score["arms"].values()]
    rows.append(["mean", *means, _cell(base_mean)])
    upper = [_cell(value) for value in score["best_on_test"].values()]
    rows.append(["best *", *upper, ""])
    head = ["", *score["arms"], escape(scored["baseline"].replace("_", " "))]
    return table(head, rows, [*kinds, "mean", ""]) + (
        "<p class='faint'>* epoch and threshold picked on the tested people themselves, as papers often do: "
        "an upper bound, not a result.</p>"
    )


def _cell(value: float, span: Interval | None = None) -> str:
    if value != value:
        return "-"
    return f"{value:.3f}" + (f" <small>[{span.low:.3f}, {span.high:.3f}]</small>" if span else "")


def jobs_section(results: Sequence[dict[str, Any]]) -> Section:
    """Which jobs the scores come from."""
    rows = []
    for result in results:
        chosen = result["chosen"]
        when = f"epoch {chosen['linear_epoch']}" if "linear_epoch" in chosen else f"step {chosen['step']}"
        rows.append(
            (
                f"{result['task']}, {result['init']['init']}",
                f"fold {result['protocol']['fold']}, seed {result['seed']}; {when}, by {chosen['by']}; "
                f"data {result['data']['digest'][:12]}",
            )
        )
    return Section("jobs", "Jobs", [facts(rows)])
