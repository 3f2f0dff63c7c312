"""Section: predicted against true intensity, a density for each AU.

Axes: A AUs, L levels of the truth, B bins of the prediction.
"""

from html import escape

import numpy as np

from finetune.densities import BINS_PER_UNIT, LEVELS, NUM_BINS, Counts
from finetune.pages.markup import Section, figure, grid, paragraph
from finetune.pages.svg import WIDTH

LEFT, TOP, BOTTOM, CELL_HEIGHT = 34, 6, 32, 7
MEDIAN = 3
"""Height of a median's mark."""


def densities_section(arm: str, labels: list[str], counts_ALB: Counts) -> Section:
    """One chart for each AU."""
    text = (
        f"Tested frames of {arm}. Each column holds the frames of one true intensity and is shaded by the "
        "share of them in each bin of the prediction; its mark is their median, its number how many there "
        "are. A perfect model fills the diagonal."
    )
    charts = [
        figure(label, _chart(label, counts_LB)) for label, counts_LB in zip(labels, counts_ALB, strict=True)
    ]
    return Section("densities", "Predicted against true intensity", [paragraph(text), grid(*charts)])


def _chart(label: str, counts_LB: Counts) -> str:
    height = TOP + NUM_BINS * CELL_HEIGHT + BOTTOM
    wide = (WIDTH - LEFT) / LEVELS
    bottom = TOP + NUM_BINS * CELL_HEIGHT
    title = f"{escape(label, quote=True)}: predicted against true intensity"
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{title}'>"]
    for value in range(LEVELS):
        y = bottom - value * BINS_PER_UNIT * CELL_HEIGHT
        parts.append(f"<line class='grid-line' x1='{LEFT}' x2='{WIDTH}' y1='{y}' y2='{y}'/>")
        parts.append(f"<text x='{LEFT - 6}' y='{y + 4}' text-anchor='end'>{value}</text>")
    for level, counts_B in enumerate(counts_LB):
        x, total = LEFT + level * wide, int(counts_B.sum())
        middle = x + wide / 2
        parts.append(f"<text x='{middle:.1f}' y='{bottom + 14}' text-anchor='middle'>{level}</text>")
        parts.append(
            f"<text class='axis' x='{middle:.1f}' y='{bottom + 27}' text-anchor='middle'>{total:,}</text>"
        )
        if not total:
            continue
        for place in np.flatnonzero(counts_B).tolist():
            shade = (counts_B[place] / total) ** 0.5
            parts.append(
                f"<rect x='{x + 1:.1f}' y='{bottom - (place + 1) * CELL_HEIGHT}' width='{wide - 2:.1f}' "
                f"height='{CELL_HEIGHT}' style='fill:var(--one);opacity:{shade:.2f}'/>"
            )
        median = int(np.searchsorted(np.cumsum(counts_B), total / 2))
        top = bottom - (median + 0.5) * CELL_HEIGHT - MEDIAN / 2
        parts.append(
            f"<rect x='{x + 1:.1f}' y='{top:.1f}' width='{wide - 2:.1f}' height='{MEDIAN}' "
            "style='fill:var(--ink)'/>"
        )
    return "".join([*parts, "</svg>"])
