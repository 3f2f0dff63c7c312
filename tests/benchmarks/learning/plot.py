"""`python -m tests.benchmarks.learning.plot RESULT.json`: the table on learning as a picture beside it."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks.learning.methods import METHODS

PANELS = (
    ("r", "correlation of read-out AUs"),
    ("icc", "ICC from 2 % of the labels"),
    ("identity", "share of people told right"),
)
"""What is drawn of each row; intervals where there are any."""
INK, OTHER = "#1f5fa8", "#8a8f98"
MAIN = ("clp", "cpc", "clef")
"""Rows of the three papers' objectives."""


def draw(content: dict[str, Any], file: Path) -> None:
    """Write the picture of a result as SVG; equal results give equal bytes."""
    titles = {method.name: method.title for method in METHODS}
    names = [name for name in titles if name in content["rows"]][::-1]
    figure = Figure(figsize=(10, 0.32 * len(names) + 0.8), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for panel, (score, title) in zip(panels, PANELS, strict=True):
        for place, name in enumerate(names):
            value, low, high = _value(content["rows"][name], score)
            colour = INK if name in MAIN else OTHER
            panel.plot([low, high], [place, place], color=colour, linewidth=1.5)
            panel.plot([value], [place], "o", color=colour, markersize=5)
        panel.set_title(title, fontsize=9)
        panel.grid(axis="x", linewidth=0.4)
        panel.tick_params(labelsize=8)
    panels[0].set_yticks(range(len(names)), [titles[name] for name in names])
    with mpl.rc_context({"svg.hashsalt": "learning", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})


def _value(row: dict[str, Any], score: str) -> tuple[float, float, float]:
    """A score and its interval; no width where there is none."""
    if score == "identity":
        return row["identity"], row["identity"], row["identity"]
    found = row["two_percent" if score == "icc" else "all_labels"][score]
    return found["value"], found["low"], found["high"]


if __name__ == "__main__":
    result = Path(sys.argv[1])
    draw(json.loads(result.read_text()), result.with_suffix(".svg"))
