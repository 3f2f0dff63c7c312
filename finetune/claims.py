"""What a run's numbers support: a statement is made only where its 95 % interval excludes zero."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from finetune.arms import LOWER_IS_BETTER
from finetune.neighbours import gain
from finetune.readout import score_readouts
from finetune.readout_study import ReadoutStudy
from finetune.scored import difference
from finetune.studies import NeighbourStudy
from finetune.tables import ScoreTable
from pretrain.metrics.identity import IdentityScore
from pretrain.metrics.people import Interval, interval_over_people, percentile_interval

LEAST_PEOPLE = 5
"""Who must show an AU: resampled from fewer people, an interval is narrower than what it stands for."""
Verdict = Literal["shown", "against", "not shown"]
SCORE_NAMES = {
    "f1": "F1",
    "auc": "AUC",
    "icc": "ICC",
    "mae": "mean absolute error",
    "r": "correlation",
    "uar": "unweighted average recall",
    "accuracy": "accuracy",
}
READOUT_SCORES = ("auc", "r")
ROW_NAMES = {"random": "random weights"}


@dataclass(frozen=True)
class Claim:
    """A statement that a difference is on one side of zero."""

    statement: str
    opposite: str
    value: float
    """Positive where the statement holds."""
    interval: Interval

    @property
    def verdict(self) -> Verdict:
        if self.interval.low > 0:
            return "shown"
        return "against" if self.interval.high < 0 else "not shown"

    @property
    def text(self) -> str:
        """What was asked or, where the interval says so, its opposite; with the numbers."""
        numbers = f"{self.value:+.3f} [{self.interval.low:+.3f}, {self.interval.high:+.3f}]"
        said = self.opposite if self.verdict == "against" else self.statement
        return f"{said}: {numbers}{', which holds 0' if self.verdict == 'not shown' else ''}."


def score_claims(tables: Iterable[ScoreTable]) -> list[Claim]:
    """Each arm against the reference, and each pretrained arm against the row to beat, by means over AUs."""
    claims = []
    for table in tables:
        for name, row in table.headlines.items():
            sign = -1.0 if name in LOWER_IS_BETTER else 1.0
            what = f"{table.title}, {SCORE_NAMES[name]}"
            for arm, (value, interval) in row.differences.items():
                claims.append(_better(f"{what}: {arm}", table.reference, sign, value, interval))
            for arm, scored in row.arms.items():
                if not table.arms[arm].is_random:
                    base = row.baseline[1]
                    low, high = (x - base for x in scored.mean_interval)
                    against, interval = f'"{table.baseline}"', Interval(low, high)
                    claims.append(_better(f"{what}: {arm}", against, sign, scored.mean - base, interval))
    return [claim for claim in claims if claim.value == claim.value]


def _better(arm: str, other: str, sign: float, value: float, interval: Interval) -> Claim:
    signed = interval if sign > 0 else Interval(-interval.high, -interval.low)
    return Claim(f"{arm} is better than {other}", f"{arm} is worse than {other}", sign * value, signed)


def au_claims(table: ScoreTable, name: str, left_out: Iterable[int]) -> list[Claim]:
    """Each arm against the reference for each AU by the score `name`, of which more is better.

    `left_out` AUs make no claim, nor those that fewer than LEAST_PEOPLE tested people show.
    """
    row, without = table.scores[name], {f"AU{au}" for au in left_out}
    second = row.arms[table.reference]
    claims = []
    for arm, first in row.arms.items():
        for index, label in enumerate(table.labels):
            if arm == table.reference or label in without or table.people_showing[index] < LEAST_PEOPLE:
                continue
            interval = percentile_interval(first.draws_RA[:, index] - second.draws_RA[:, index])
            value = float(first.value_A[index] - second.value_A[index])
            if value == value and interval.low == interval.low:
                what = f"the {SCORE_NAMES[name]} over {table.reference}"
                statement, opposite = f"{label}: {arm} raises {what}", f"{label}: {arm} lowers {what}"
                claims.append(Claim(statement, opposite, value, interval))
    return claims


def readout_claims(study: ReadoutStudy | None) -> list[Claim]:
    """The pretrained features against each other row, in the linear readout."""
    if study is None or "pretrained" not in study.readouts:
        return []
    claims = []
    for name in READOUT_SCORES:
        scored = {row: score_readouts(name, [readout]) for row, readout in study.readouts.items()}
        for rival in scored:
            if rival != "pretrained":
                what = f"Linear readout, {SCORE_NAMES[name]}: pretrained features are"
                against = ROW_NAMES.get(rival, rival)
                value, interval = difference(scored["pretrained"], scored[rival])
                claims.append(
                    Claim(f"{what} better than {against}", f"{what} worse than {against}", value, interval)
                )
    return claims


def measured_claims(study: NeighbourStudy | None, identity: Mapping[str, IdentityScore]) -> list[Claim]:
    """On the encoders alone: neighbours across people, and what they know of who it is."""
    claims = []
    if study is not None and "pretrained" in study.agreement:
        pretrained, what = study.agreement["pretrained"], "AUs shared by nearest frames of other people"
        rivals = {"random frames": study.chance}
        if "random" in study.agreement:
            rivals["those of random weights"] = study.agreement["random"]
        claims += [
            Claim(f"{what}: more than {name}", f"{what}: fewer than {name}", *gain(pretrained, rival))
            for name, rival in rivals.items()
        ]
    if {"pretrained", "random"} <= set(identity):
        lost_P = identity["random"].accuracy_P - identity["pretrained"].accuracy_P
        what = "Telling people apart: the pretrained feature"
        claims.append(
            Claim(
                f"{what} knows less than random weights",
                f"{what} knows more than random weights",
                float(lost_P.mean()),
                interval_over_people(lost_P),
            )
        )
    return claims
