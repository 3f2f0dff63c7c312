"""A set's numbers for the terminal and as a picture."""

from collections.abc import Mapping
from pathlib import Path

from shards.stats import SetStats, Spread


def as_text(stats: SetStats) -> str:
    """A table for the terminal."""
    totals = stats.totals
    lines = [
        f"{stats.url}: layout {stats.layout}, {stats.crop_pixels} pixels, {stats.bytes / 1e9:.2f} GB",
        f"{totals.identities} people, {totals.videos} videos, {totals.tracks} tracks, {totals.samples} "
        f"samples, {totals.frames} frames, {totals.seconds / 3600:.2f} hours",
        "",
        f"{'':<24}{'least':>10}{'25 %':>10}{'median':>10}{'75 %':>10}{'most':>10}",
        *(_spread_line(name, spread) for name, spread in stats.spreads.items() if spread is not None),
    ]
    if stats.aus:
        lines += ["", f"{'':<8}{'coded':>10}{'present':>10}" + "".join(f"{f'at {n}':>8}" for n in range(6))]
        for au, rate in stats.aus.items():
            present = "-" if rate.present is None else f"{rate.present:.3f}"
            levels = "".join(f"{share:>8.3f}" for share in rate.levels or ())
            lines.append(f"{f'AU{au}':<8}{rate.frames:>10}{present:>10}{levels}")
    for title, counts in (("activities", stats.activities), ("expressions", stats.expressions)):
        if counts:
            lines += ["", f"{title}: {_counts(counts)}"]
    if stats.samples_read < totals.samples:
        lines += [
            "",
            f"labels, scores, eye distances: of {stats.samples_read} evenly spread samples",
        ]
    lines += ["", f"gave nothing (see failures/): {_failures(stats) or 'none'}"]
    return "\n".join(lines)


def _spread_line(name: str, spread: Spread) -> str:
    values = (spread.least, spread.quarter, spread.median, spread.three_quarters, spread.most)
    return f"{name:<24}" + "".join(f"{value:>10.4g}" for value in values)


def _failures(stats: SetStats) -> str:
    frames = {reason: f" ({number} frames)" for reason, number in stats.frames_lost.items()}
    return ", ".join(
        f"{count} {reason}{frames.get(reason, '')}" for reason, count in stats.totals.failures.items()
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def plot(stats: SetStats, path: Path) -> None:
    """Bars of label rates, activities, expressions and failures: whichever the set has, as a PNG.

    Raises:
        ValueError: it has none of them.
    """
    from matplotlib.figure import Figure

    charts: dict[str, Mapping[str, float]] = {
        "share of coded frames that show it": {
            f"AU{au}": rate.present for au, rate in stats.aus.items() if rate.present is not None
        },
        "mean intensity (0-5)": {
            f"AU{au}": sum(level * share for level, share in enumerate(rate.levels))
            for au, rate in stats.aus.items()
            if rate.levels is not None
        },
        "samples of an activity": stats.activities,
        "samples of an expression": stats.expressions,
        "gave nothing": stats.totals.failures,
    }
    drawn = {title: values for title, values in charts.items() if values}
    if not drawn:
        raise ValueError(f"{stats.url} has no labels, activities or failures; there is nothing to plot")
    figure = Figure(figsize=(9, 0.6 + sum(1.0 + 0.22 * len(values) for values in drawn.values())))
    sizes = [1 + 0.22 * len(values) for values in drawn.values()]
    for axes, (title, values) in zip(
        figure.subplots(len(drawn), height_ratios=sizes, squeeze=False)[:, 0], drawn.items(), strict=True
    ):
        bars = axes.barh(list(values), list(values.values()))
        axes.bar_label(bars, fmt="%.3g", padding=3)
        axes.invert_yaxis()
        axes.set_title(title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
