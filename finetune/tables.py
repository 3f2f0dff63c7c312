"""The score table of one kind of labels: arms side by side, the row to beat, and paired differences.

Axes: A AUs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.arms import BASELINES, HEADLINES, Arm, baseline_values, score_arm, sums_by_fold
from finetune.protocols.protocol import Kind
from finetune.results import SCORES
from finetune.scored import Scored, Sums, difference
from pretrain.config import ConfigError
from pretrain.metrics.detection import DetectionSums
from pretrain.metrics.expression import ExpressionSums
from pretrain.metrics.people import DRAWS, Interval

TITLES: dict[Kind, str] = {
    "detection": "AU detection",
    "intensity": "AU intensity",
    "expression": "Expressions",
}
BEST_ON_TEST = "best_on_test"
"""Paper style: epoch and thresholds picked on the tested people themselves; an upper bound."""
Values = tuple[NDArray[np.float64], float]
"""Per AU, and the mean over AUs."""


@dataclass(frozen=True)
class ScoreRow:
    """One score of all arms."""

    arms: Mapping[str, Scored]
    """Honest: epoch and thresholds were chosen on validation people."""
    best_on_test: Mapping[str, Values]
    baseline: Values
    differences: Mapping[str, tuple[float, Interval]]
    """Each other arm minus the reference, in the mean over AUs, with its paired interval."""


@dataclass(frozen=True)
class ScoreTable:
    """All that is said of one kind of labels."""

    kind: Kind
    labels: list[str]
    arms: Mapping[str, Arm]
    reference: str
    scores: Mapping[str, ScoreRow]
    people_showing: list[int]
    """How many tested people show each AU; empty where labels are not presence."""

    @property
    def title(self) -> str:
        return TITLES[self.kind]

    @property
    def baseline(self) -> str:
        """Name of the row to beat."""
        return BASELINES[self.kind].replace("_", " ")

    @property
    def headlines(self) -> dict[str, ScoreRow]:
        """The scores that are shown per AU."""
        return {name: self.scores[name] for name in HEADLINES[self.kind]}

    @property
    def unseen(self) -> str:
        """A line on the AUs that no tested person shows; empty where there are none."""
        names = [label for label, count in zip(self.labels, self.people_showing, strict=False) if not count]
        if not names:
            return ""
        left = (
            "they count in no mean"
            if self.kind == "expression"
            else "F1 is 0 there for every method, AUC is not defined"
        )
        return f"No tested person shows {', '.join(names)}: {left}."


def make_table(arms: Sequence[Arm], against: str | None = None, draws: int = DRAWS) -> ScoreTable:
    """Score arms of one kind.

    Args:
        arms: as `arms.make_arms` gives them.
        against: the arm that the others are compared with; the first where it is None.
        draws: of the bootstrap.

    Raises:
        ConfigError: there is no arm named `against`.
    """
    by_name, first = {arm.name: arm for arm in arms}, arms[0]
    reference = first.name if against is None else against
    if reference not in by_name:
        raise ConfigError(f"{first.kind}: no arm {reference!r} to compare with; there are {list(by_name)}")
    scores = {name: _score_row(name, arms, reference, draws) for name in SCORES[first.kind]}
    return ScoreTable(first.kind, first.labels, by_name, reference, scores, people_showing(first))


def _score_row(name: str, arms: Sequence[Arm], reference: str, draws: int) -> ScoreRow:
    scored = {arm.name: score_arm(arm, name, draws) for arm in arms}
    return ScoreRow(
        arms=scored,
        best_on_test={arm.name: baseline_values(arm, name, BEST_ON_TEST) for arm in arms},
        baseline=baseline_values(arms[0], name, BASELINES[arms[0].kind]),
        differences={
            arm: difference(score, scored[reference]) for arm, score in scored.items() if arm != reference
        },
    )


def people_showing(arm: Arm) -> list[int]:
    """How many tested people show each AU; empty where labels are not presence."""
    shown = [_frames_showing(jobs[0]) for jobs in sums_by_fold(arm).values()]
    shown_PA = np.concatenate([part_PA for part_PA in shown if part_PA is not None] or [np.zeros((0, 0))])
    return [int(count) for count in (shown_PA > 0).sum(axis=0)]


def _frames_showing(sums: Sums) -> NDArray[np.float64] | None:
    """`(P, A)`; None where labels are not presence."""
    if isinstance(sums, DetectionSums):
        return sums.true_positive_PA + sums.false_negative_PA
    return sums.confusion_PKK.sum(axis=2) if isinstance(sums, ExpressionSums) else None


def terminal_table(table: ScoreTable) -> str:
    """Fixed-width text: each arm's means, then the headline scores per AU."""
    lines = [table.title, "=" * len(table.title)]
    wide = max(len(name) for name in (*table.arms, table.baseline, "arm")) + 2
    for name, row in table.scores.items():
        lines += ["", f"{name.upper():<{wide}}{'mean':>26}{'paper style*':>14}{'difference':>28}"]
        for arm, scored in row.arms.items():
            change = row.differences.get(arm)
            honest, upper = cell(scored.mean, scored.mean_interval), cell(row.best_on_test[arm][1])
            lines.append(f"{arm:<{wide}}{honest:>26}{upper:>14}{'' if change is None else cell(*change):>28}")
        lines.append(f"{table.baseline:<{wide}}{cell(row.baseline[1]):>26}")
    for name, row in table.headlines.items():
        heads = [*row.arms, table.baseline]
        widths = [max(26, len(head) + 2) for head in heads]
        lines += [
            "",
            f"{name.upper():<12}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)),
        ]
        for index, label in enumerate(table.labels):
            cells = [cell(arm.value_A[index], arm.interval(index)) for arm in row.arms.values()]
            cells.append(cell(row.baseline[0][index]))
            lines.append(f"{label:<12}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    lines += ["", "* best on the tested people themselves (paper style): an upper bound, not a result"]
    if len(table.arms) > 1:
        lines.append(f"Differences are to {table.reference}, paired by person.")
    return "\n".join(line.rstrip() for line in ([*lines, table.unseen] if table.unseen else lines))


def cell(value: float, interval: Interval | None = None) -> str:
    """A number with its interval; a dash where it is not defined."""
    if value != value:
        return "-"
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def table_json(table: ScoreTable) -> dict[str, Any]:
    """Plain values; null where a score is not defined."""
    return {
        "kind": table.kind,
        "reference": table.reference,
        "baseline": table.baseline,
        "arms": {
            name: [
                {
                    "out": str(result["config"]["out"]),
                    "fold": result["protocol"]["fold"],
                    "seed": result["seed"],
                }
                for result in arm.results
            ]
            for name, arm in table.arms.items()
        },
        "people_showing": dict(zip(table.labels, table.people_showing, strict=False)),
        "scores": {name: _row_json(table, row) for name, row in table.scores.items()},
    }


def _row_json(table: ScoreTable, row: ScoreRow) -> dict[str, Any]:
    return {
        "arms": {
            name: {
                "mean": _with_interval(scored.mean, scored.mean_interval),
                "per_au": {
                    label: _with_interval(float(scored.value_A[index]), scored.interval(index))
                    for index, label in enumerate(table.labels)
                },
                BEST_ON_TEST: _values_json(table, row.best_on_test[name]),
            }
            for name, scored in row.arms.items()
        },
        "baseline": _values_json(table, row.baseline),
        "differences": {name: _with_interval(*change) for name, change in row.differences.items()},
    }


def _values_json(table: ScoreTable, values: Values) -> dict[str, Any]:
    return {
        "mean": _number(values[1]),
        "per_au": {
            label: _number(float(value)) for label, value in zip(table.labels, values[0], strict=True)
        },
    }


def _with_interval(value: float, interval: Interval) -> dict[str, float | None]:
    return {"value": _number(value), "low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    return None if value != value else value
