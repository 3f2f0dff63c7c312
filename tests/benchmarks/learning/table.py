"""Cells of the result file's tables."""

from typing import Any

from pretrain.metrics.people import Interval


def cell(value: float, interval: Interval) -> str:
    """`.123 [.100, .150]`."""
    return f"{_short(value)} [{_short(interval.low)}, {_short(interval.high)}]"


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def as_json(value: float, interval: Interval) -> dict[str, Any]:
    """For the result file."""
    return {"value": round(value, 5), "low": round(interval.low, 5), "high": round(interval.high, 5)}
