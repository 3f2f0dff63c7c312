"""Line charts written by hand: a few kB each, sharp on any screen, in the colours of light and dark.

A drawing is 340 units wide, about what a phone shows, so that its text is as large as it says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 12, 30
LETTER_WIDTH = 9
ONE, TWO, BASE, FAINT = "var(--one)", "var(--two)", "var(--base)", "var(--faint)"


@dataclass(frozen=True)
class Line:
    """A curve; it is interrupted where y is NaN."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = ONE


@dataclass(frozen=True)
class Level:
    """A dashed horizontal line for a value to compare with."""

    name: str
    value: float


@dataclass(frozen=True)
class Mark:
    """A letter at a point, which a picture below the chart bears too."""

    letter: str
    x: float
    y: float


class Scale:
    """Maps values to places on the drawing."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, wanted: int = 3) -> list[float]:
    """Round numbers between `low` and `high`: at least `wanted`, at the largest step that gives them."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10(high - low))
    for step in (power * factor for factor in (10, 5, 2, 1, 0.5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 >= wanted:
            break
    return [round(place * step, 12) for place in range(first, last + 1)]


def number(value: float) -> str:
    """Short text of a value: `0.001`, `12.5`, `3,000`."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 0.001:
        return f"{value:.0e}"
    return f"{value:.4g}"


def line_chart(
    lines: Sequence[Line],
    title: str,
    x_name: str,
    *,
    levels: Sequence[Level] = (),
    marks: Sequence[Mark] = (),
    low: float | None = None,
    high: float | None = None,
    height: int = HEIGHT,
) -> str:
    """One chart.

    Args:
        lines: what is drawn, the first below the others.
        title: what a screen reader says.
        x_name: name and unit of the horizontal axis.
        levels: values to compare with.
        marks: lettered points.
        low: least value of the vertical axis; None: what is drawn decides.
        high: greatest value of the vertical axis, likewise.
        height: of the drawing, in units.

    Raises:
        ValueError: nothing is to be drawn.
    """
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in line.y if math.isfinite(y)] + [level.value for level in levels]
    if not xs or not ys:
        raise ValueError(f"the chart {title!r} has no finite point")
    bottom, top = (min(ys) if low is None else low), (max(ys) if high is None else high)
    pad = 0.06 * ((top - bottom) or abs(top) or 1.0)
    bottom, top = bottom - (pad if low is None else 0), top + (pad if high is None else 0)
    x_scale = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_scale = Scale(bottom, top, height - BOTTOM, TOP)
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(title, quote=True)}'>"]
    for value in ticks(bottom, top):
        y = y_scale(value)
        parts.append(f"<line class='grid-line' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>")
        parts.append(f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{number(value)}</text>")
    for value in ticks(min(xs), max(xs)):
        x, text = x_scale(value), number(value)
        # The last number would be cut off by the drawing's edge.
        anchor = "end" if x + LETTER_WIDTH * len(text) / 2 > WIDTH else "middle"
        parts.append(f"<text x='{x:.1f}' y='{height - BOTTOM + 14}' text-anchor='{anchor}'>{text}</text>")
    parts.append(
        f"<text class='axis' x='{WIDTH - RIGHT}' y='{height - 3}' text-anchor='end'>{escape(x_name)}</text>"
    )
    for level in levels:
        y = y_scale(level.value)
        parts.append(f"<line class='level' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>")
        place = y - 4 if y - 4 > TOP + 6 else y + 13
        parts.append(
            f"<text class='axis' x='{WIDTH - RIGHT - 2}' y='{place:.1f}' text-anchor='end'>"
            f"{escape(level.name)}</text>"
        )
    parts += [_curve(line, x_scale, y_scale) for line in lines]
    for mark in marks:
        x, y = x_scale(mark.x), y_scale(mark.y)
        # The letter stays inside the drawing; the dot is where the value is.
        letter_x, letter_y = min(max(x, LEFT + 8), WIDTH - RIGHT - 8), max(y - 7, TOP + 2)
        parts.append(f"<circle class='mark' cx='{x:.1f}' cy='{y:.1f}' r='3.5'/>")
        parts.append(
            f"<text class='letter' x='{letter_x:.1f}' y='{letter_y:.1f}' text-anchor='middle'>"
            f"{escape(mark.letter)}</text>"
        )
    return "".join([*parts, "</svg>"])


def _curve(line: Line, x_scale: Scale, y_scale: Scale) -> str:
    """Polylines of the runs of finite points; a point alone becomes a dot."""
    runs: list[list[str]] = [[]]
    for x, y in zip(line.x, line.y, strict=True):
        if math.isfinite(y):
            runs[-1].append(f"{x_scale(x):.1f},{y_scale(y):.1f}")
        elif runs[-1]:
            runs.append([])
    drawn = []
    for run in runs:
        if len(run) == 1:
            x_text, y_text = run[0].split(",")
            drawn.append(f"<circle cx='{x_text}' cy='{y_text}' r='2.5' style='fill:{line.colour}'/>")
        elif run:
            drawn.append(f"<polyline points='{' '.join(run)}' style='stroke:{line.colour}'/>")
    return "".join(drawn)
