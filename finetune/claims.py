"""What a run's numbers support: a statement is made only where its 95 % interval excludes zero."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from finetune.arms import LOWER_IS_BETTER
from finetune.neighbours import gain
from finetune.readout import score_readouts
from finetune.readout_study import ReadoutStudy
from finetune.scored import Scored, difference
from finetune.studies import NeighbourStudy
from pretrain.metrics.identity import IdentityScore
from pretrain.metrics.people import Interval, interval_over_people, percentile_interval

LEAST_PEOPLE = 5
"""Who must show an AU: resampled from fewer people, an interval is narrower than what it stands for."""
Verdict = Literal["shown", "against", "not shown"]
SCORE_NAMES = {"f1": "F1", "auc": "AUC", "icc": "ICC", "mae": "mean absolute error", "r": "correlation"}
READOUT_SCORES = ("auc", "r")
ROW_NAMES = {"random": "random weights"}
TASK_NAMES = {"aunce": "AU detection", "intensity": "AU intensity"}


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


def score_claims(tables: Iterable[Mapping[str, Any]]) -> list[Claim]:
    """Pretrained against random weights, and pretrained against the row to beat, on the mean over AUs."""
    claims = []
    for scored in tables:
        task = TASK_NAMES[scored["task"]]
        for name, score in scored["scores"].items():
            sign = -1.0 if name in LOWER_IS_BETTER else 1.0
            label = SCORE_NAMES[name]
            if score["difference"] is not None:
                value, interval = score["difference"]
                claims.append(
                    Claim(
                        f"{task}, {label}: pretrained is better than random weights",
                        f"{task}, {label}: pretrained is worse than random weights",
                        sign * value,
                        _signed(interval, sign),
                    )
                )
            if "pretrained" in score["arms"]:
                arm: Scored = score["arms"]["pretrained"]
                base = float(score["baseline"][1])
                what = str(scored["baseline"]).replace("_", " ")
                low, high = (x - base for x in arm.mean_interval)
                claims.append(
                    Claim(
                        f'{task}, {label}: pretrained is better than "{what}"',
                        f'{task}, {label}: pretrained is worse than "{what}"',
                        sign * (arm.mean - base),
                        _signed(Interval(low, high), sign),
                    )
                )
    return [claim for claim in claims if claim.value == claim.value]


def au_claims(scored: Mapping[str, Any], name: str, left_out: Iterable[int]) -> list[Claim]:
    """Pretrained against random weights for each AU by the score `name`.

    `left_out` AUs make no claim, nor those that fewer than LEAST_PEOPLE tested people show.
    """
    arms = scored["scores"][name]["arms"]
    if len(arms) < 2:
        return []
    first, second = arms["pretrained"], arms["random"]
    claims = []
    for index, au in enumerate(scored["aus"]):
        if au in set(left_out) or scored["people_showing"][index] < LEAST_PEOPLE:
            continue
        interval = percentile_interval(first.draws_RA[:, index] - second.draws_RA[:, index])
        value = float(first.value_A[index] - second.value_A[index])
        if value == value and interval.low == interval.low:
            statement = f"AU{au}: pretraining raises the {SCORE_NAMES[name]}"
            claims.append(
                Claim(statement, f"AU{au}: pretraining lowers the {SCORE_NAMES[name]}", value, interval)
            )
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


def _signed(interval: Interval, sign: float) -> Interval:
    return interval if sign > 0 else Interval(-interval.high, -interval.low)
