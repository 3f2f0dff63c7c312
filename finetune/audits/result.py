"""The form in which every audit answers: numbers with intervals, lines, a verdict; as text and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretrain.config import ConfigError
from pretrain.metrics.people import Interval

FORMAT = 1


@dataclass(frozen=True)
class Number:
    """One measured value; NaN where it is not defined."""

    name: str
    value: float
    interval: Interval | None = None
    """95 %, bootstrapped over people; None where nothing was resampled."""

    @property
    def text(self) -> str:
        """Value and interval; counts without decimals."""
        if self.value != self.value:
            return "-"
        if self.interval is None:
            return f"{self.value:.0f}" if float(self.value).is_integer() else f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.interval.low:.3f}, {self.interval.high:.3f}]"


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    kind: str
    """Which audit it is, as on the command line."""
    about: str
    """What was looked at, in a sentence."""
    numbers: tuple[Number, ...]
    lines: tuple[str, ...]
    """Single findings, the gravest first."""
    verdict: str
    """The answer, in a sentence."""
    failed: bool = False
    """Whether it found what must not be; the command then ends with status 1."""

    @property
    def text(self) -> str:
        """For the terminal."""
        wide = max((len(number.name) for number in self.numbers), default=0) + 2
        numbers = [f"{number.name:<{wide}}{number.text}" for number in self.numbers]
        return "\n".join([f"audit: {self.kind}", self.about, "", *numbers, *self.lines, "", self.verdict])

    def json(self) -> dict[str, Any]:
        """Plain values; null where a number is not defined."""
        numbers = [
            {
                "name": number.name,
                "value": _known(number.value),
                "interval": None if number.interval is None else [_known(x) for x in number.interval],
            }
            for number in self.numbers
        ]
        return {
            "audit_format": FORMAT,
            "kind": self.kind,
            "about": self.about,
            "numbers": numbers,
            "lines": list(self.lines),
            "verdict": self.verdict,
            "failed": self.failed,
        }


def load_audit(path: Path) -> Audit:
    """What `Audit.json` gave, from a file.

    Raises:
        ConfigError: there is no such file, or it is something else.
    """
    if not path.is_file():
        raise ConfigError(
            f"no audit at {path}; write one with `python -m finetune.audit KIND ... --json FILE`"
        )
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or content.get("audit_format") != FORMAT:
        raise ConfigError(
            f"{path} is no audit of format {FORMAT}; write it again with `python -m finetune.audit`"
        )
    return Audit(
        kind=content["kind"],
        about=content["about"],
        numbers=tuple(_number(entry) for entry in content["numbers"]),
        lines=tuple(content["lines"]),
        verdict=content["verdict"],
        failed=content["failed"],
    )


def _number(entry: Mapping[str, Any]) -> Number:
    low_high = entry["interval"]
    interval = None if low_high is None else Interval(*(_value(x) for x in low_high))
    return Number(entry["name"], _value(entry["value"]), interval)


def _value(stored: float | None) -> float:
    return float("nan") if stored is None else stored


def _known(value: float) -> float | None:
    return None if value != value else value
