"""Section: the scores of one kind of labels as bars and tables, arms beside one another and the row to beat.

Axes: A AUs.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from finetune.arms import LOWER_IS_BETTER
from finetune.pages.markup import Section, facts, figure, folded, grid, legend, paragraph, table
from finetune.pages.svg import Scale
from finetune.tables import ScoreRow, ScoreTable
from pretrain.metrics.people import Interval

PALETTE = tuple(f"var(--{name})" for name in ("one", "two", "three", "four", "five", "six"))
"""Of arms, in their order, from the beginning again where there are more."""
LABELS = {
    "f1": "F1 (higher is better)",
    "auc": "Area under the ROC curve (higher is better)",
    "accuracy": "Accuracy (higher is better)",
    "icc": "ICC(3,1) (higher is better)",
    "mae": "Mean absolute error, intensity units (lower is better)",
    "mse": "Mean squared error, squared intensity units (lower is better)",
    "pcc": "Pearson correlation (higher is better)",
    "ccc": "Concordance correlation (higher is better)",
    "uar": "Unweighted average recall (higher is better)",
}
CHOSEN = {"linear_epoch": "epoch", "epoch": "epoch", "step": "step"}
"""What tasks call the moment that validation people chose, and what people call it."""
BAR, GAP, LEFT, RIGHT, WIDTH = 12, 8, 46, 18, 340
"""Heights and widths in units of the drawing."""


def scores_section(scored: ScoreTable, caption: str, look_alikes: str = "") -> Section:
    """One kind of labels.

    Args:
        scored: its numbers.
        caption: what the numbers are about.
        look_alikes: a line on the AUs that cannot be told apart in these faces; empty where there are none.
    """
    charts, numbers = [], []
    for name, row in scored.headlines.items():
        charts.append(
            figure(LABELS[name], _differences(scored, name, row), _legend(scored), _bars(scored, row))
        )
        numbers.append(folded(f"Numbers: {LABELS[name]}", _numbers(scored, row)))
    numbers.append(folded("Means of all scores", _means(scored)))
    notes = [line for line in (scored.unseen, look_alikes, caption) if line]
    parts = [grid(*charts), *numbers, *(paragraph(n, "faint") for n in notes)]
    return Section(scored.kind, scored.title, parts)


def arm_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each arm."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}


def _differences(scored: ScoreTable, name: str, row: ScoreRow) -> str:
    lines = []
    for arm, (value, interval) in row.differences.items():
        sign = "better" if (value < 0) == (name in LOWER_IS_BETTER) else "worse"
        proof = "" if interval.low * interval.high > 0 else ", not shown: the interval holds 0"
        lines.append(
            f"<p>{escape(arm)} minus {escape(scored.reference)}: <b>{value:+.3f}</b> "
            f"[{interval.low:+.3f}, {interval.high:+.3f}] ({sign}{proof}).</p>"
        )
    return "".join(lines)


def _legend(scored: ScoreTable) -> str:
    return legend(*arm_colours(list(scored.arms)).items(), (scored.baseline, "var(--base)"))


def _bars(scored: ScoreTable, score: ScoreRow) -> str:
    """Horizontal bars per AU with interval whiskers, and a tick for the row to beat."""
    base_A, base_mean = score.baseline
    colours = arm_colours(list(score.arms))
    rows = [
        (label, [(s, arm.value_A[i], arm.interval(i)) for s, arm in score.arms.items()], float(base_A[i]))
        for i, label in enumerate(scored.labels)
    ]
    rows.append(("mean", [(s, arm.mean, arm.mean_interval) for s, arm in score.arms.items()], base_mean))
    highs = [x for _, bars, base in rows for _, value, span in bars for x in (value, span.high, base)]
    lows = [x for _, bars, _ in rows for _, value, span in bars for x in (value, span.low)]
    top = max([0.05, *(x for x in highs if x == x)])
    bottom = min([0.0, *(x for x in lows if x == x)])
    place = Scale(bottom, top, LEFT, WIDTH - RIGHT)
    thick = (BAR + 2) * len(score.arms)
    step = max(thick, BAR + 8) + GAP
    height = step * len(rows) + 22
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='scores per AU'>"]
    zero = place(0.0)
    for number, (label, bars, base) in enumerate(rows):
        y = number * step + 4
        parts.append(f"<text x='0' y='{y + thick / 2 + 4:.1f}'>{escape(label)}</text>")
        for slot, (arm, value, span) in enumerate(bars):
            parts.append(_bar(place, zero, y + slot * (BAR + 2), value, span, colours[arm]))
        if base == base:
            x = place(base)
            parts.append(
                f"<rect x='{x - 1.5:.1f}' y='{y - 2}' width='3' height='{thick + 2}' "
                "style='fill:var(--base)'/>"
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


def _numbers(scored: ScoreTable, score: ScoreRow) -> str:
    base_A, base_mean = score.baseline
    rows = []
    for index, label in enumerate(scored.labels):
        cells = [
            _both(arm.value_A[index], arm.interval(index), float(score.best_on_test[name][0][index]))
            for name, arm in score.arms.items()
        ]
        rows.append([escape(label), *cells, _cell(float(base_A[index]))])
    means = [
        _both(arm.mean, arm.mean_interval, score.best_on_test[name][1]) for name, arm in score.arms.items()
    ]
    rows.append(["mean", *means, _cell(base_mean)])
    head = ["", *map(escape, score.arms), escape(scored.baseline)]
    return table(head, rows, [""] * len(scored.labels) + ["mean"]) + _paper_style()


def _means(scored: ScoreTable) -> str:
    """All scores: a row for each arm, its paper-style mean and its difference to the reference."""
    rows, kinds = [], []
    for name, row in scored.scores.items():
        for arm, one in row.arms.items():
            change = row.differences.get(arm)
            both = _both(one.mean, one.mean_interval, row.best_on_test[arm][1])
            rows.append([escape(f"{name.upper()}, {arm}"), both, "" if change is None else _cell(*change)])
        rows.append([escape(f"{name.upper()}, {scored.baseline}"), _cell(row.baseline[1]), ""])
        kinds += ["", *[""] * len(row.arms)]
    return table(["", "mean", f"difference to {escape(scored.reference)}"], rows, kinds) + _paper_style()


def _paper_style() -> str:
    return (
        "<p class='faint'>* epoch and threshold picked on the tested people themselves, as papers often do: "
        "an upper bound, not a result.</p>"
    )


def _both(value: float, span: Interval, best_on_test: float) -> str:
    """The honest number, and the paper-style one with a star."""
    return f"{_cell(value, span)} <small>{_cell(best_on_test)}*</small>"


def _cell(value: float, span: Interval | None = None) -> str:
    if value != value:
        return "-"
    return f"{value:.3f}" + (f" <small>[{span.low:.3f}, {span.high:.3f}]</small>" if span else "")


def jobs_section(results: Sequence[dict[str, Any]]) -> Section:
    """Which jobs the scores come from."""
    rows = []
    for result in results:
        chosen = result["chosen"]
        when = next(f"{unit} {chosen[name]}" for name, unit in CHOSEN.items() if name in chosen)
        rows.append(
            (
                f"{result['task']}, {result['init']['init']}",
                f"fold {result['protocol']['fold']}, seed {result['seed']}; {when}, by {chosen['by']}; "
                f"data {result['data']['digest'][:12]}; {result['config']['out']}",
            )
        )
    return Section("jobs", "Jobs", [facts(rows)])
