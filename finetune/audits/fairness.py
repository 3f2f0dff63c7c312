"""Audit: a finished job's scores by person, and by any attribute of people given as a table.

A group's score is that of its people's frames pooled, in the mean over the AUs on which the score can tell
something there: for F1, those that the group shows. The gap is between the best and the worst group as
observed; its interval comes from resampling people, with the same two groups kept, so that it is no interval
of a greatest difference among many.

Axes: P people, R draws, A AUs.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune.arms import LOWER_IS_BETTER, Arm, sums_by_fold
from finetune.audits.result import Audit, Number
from finetune.results import SCORES
from finetune.scored import Sums
from pretrain.config import ConfigError
from pretrain.metrics.detection import DetectionSums
from pretrain.metrics.people import DRAWS, Floats, mean_over_aus, percentile_interval, person_weights

FIRST_COLUMN = "person"
LEAST_GROUP = 2
"""People of a group that takes part in the gap."""


def audit_fairness(arm: Arm, score: str, attributes: Mapping[str, Mapping[str, str]]) -> Audit:
    """Scores by person and by attribute; seeds and folds are averaged.

    Args:
        arm: jobs that differ in seed and fold alone.
        score: one of the arm's kind.
        attributes: by name, the value of each person.

    Raises:
        ConfigError: the score is not of this kind, or an attribute lacks a tested person.
    """
    if score not in SCORES[arm.kind]:
        raise ConfigError(f"--score {score!r}: {arm.kind} has {list(SCORES[arm.kind])}")
    folds = sums_by_fold(arm)
    people = [person for fold in sorted(folds) for person in folds[fold][0].people]
    numbers, lines = [], []
    by_person = {person: float(_group_value(arm, score, folds, {person})) for person in people}
    defined = {person: value for person, value in by_person.items() if value == value}
    worst_first = sorted(defined, key=lambda p: defined[p], reverse=score in LOWER_IS_BETTER)
    lines += [f"{person}: {score} {defined[person]:.3f}" for person in worst_first]
    if undefined := [person for person in people if person not in defined]:
        lines.append(f"{score} is not defined for {undefined}")
    if defined:
        numbers.append(Number(f"{score}, worst person", defined[worst_first[0]]))
        numbers.append(Number(f"{score}, median person", float(np.median(list(defined.values())))))
        numbers.append(Number(f"{score}, best person", defined[worst_first[-1]]))
    verdicts = []
    for attribute, value_of in attributes.items():
        if lacking := [person for person in people if person not in value_of]:
            raise ConfigError(
                f"attribute {attribute!r} is missing for {lacking[:5]}; give every tested person's"
            )
        found, verdict = _groups(arm, score, folds, attribute, {p: value_of[p] for p in people})
        numbers += found
        verdicts.append(verdict)
    if not verdicts:
        verdicts.append("No attributes were given, so there are no groups to compare")
    return Audit(
        kind="fairness",
        about=(
            f"{score.upper()} of {arm.name} ({arm.kind}) by person, and by group of people: {len(people)} "
            "tested people. A single person's score rests on few videos."
        ),
        numbers=tuple(numbers),
        lines=tuple(lines),
        verdict=f"{'; '.join(verdicts)}.",
    )


def read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """A CSV file `person,attribute...` as attribute -> person -> value.

    Raises:
        ConfigError: another form, an empty value, or a person twice.
    """
    if not path.is_file():
        raise ConfigError(f"no table of people at {path}")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if not rows or len(rows[0]) < 2 or rows[0][0] != FIRST_COLUMN:
        raise ConfigError(f"{path}: the first line must be `{FIRST_COLUMN},attribute...`, found {rows[:1]}")
    names, found = rows[0][1:], rows[1:]
    for line, row in enumerate(found, start=2):
        if len(row) != len(rows[0]) or not all(cell.strip() for cell in row):
            raise ConfigError(f"{path}, line {line}: a value for each of {rows[0]} wanted, found {row}")
    people = [row[0] for row in found]
    if len(set(people)) != len(people):
        raise ConfigError(f"{path}: {sorted({p for p in people if people.count(p) > 1})[:5]} are there twice")
    return {name: {row[0]: row[place] for row in found} for place, name in enumerate(names, start=1)}


def _groups(
    arm: Arm,
    score: str,
    folds: Mapping[int, Sequence[Sums]],
    attribute: str,
    value_of: Mapping[str, str],
) -> tuple[list[Number], str]:
    members: dict[str, set[str]] = {}
    for person, value in value_of.items():
        members.setdefault(value, set()).add(person)
    draws = {value: _group_draws(arm, score, folds, people) for value, people in members.items()}
    observed = {value: float(_group_value(arm, score, folds, people)) for value, people in members.items()}
    numbers = [
        Number(
            f"{score}, {attribute} {value} ({len(members[value])} people)",
            observed[value],
            percentile_interval(draws[value]),
        )
        for value in sorted(members)
    ]
    known = [v for v in members if observed[v] == observed[v] and len(members[v]) >= LEAST_GROUP]
    if len(known) < 2:
        return numbers, f"{attribute}: fewer than two groups of at least {LEAST_GROUP} people"
    sign = -1.0 if score in LOWER_IS_BETTER else 1.0
    best, worst = (choose(known, key=lambda v: sign * observed[v]) for choose in (max, min))
    gap = abs(observed[best] - observed[worst])
    interval = percentile_interval(sign * (draws[best] - draws[worst]))
    numbers.append(Number(f"{score}, gap of {attribute} ({best} to {worst})", gap, interval))
    shown = "shown" if interval.low > 0 else "not shown, its interval holds 0"
    return numbers, f"{attribute}: worst for {worst}, gap {gap:.3f} to {best} ({shown})"


def _group_value(arm: Arm, score: str, folds: Mapping[int, Sequence[Sums]], people: set[str]) -> Floats:
    """Mean over AUs, seeds and the folds that test one of `people`."""
    values = [
        mean_over_aus(_masked(arm, score, sums, _members(sums, people)))
        for jobs in folds.values()
        for sums in jobs
        if people & set(sums.people)
    ]
    return np.asarray(np.mean(values))


def _group_draws(arm: Arm, score: str, folds: Mapping[int, Sequence[Sums]], people: set[str]) -> Floats:
    """`(R,)`; within a fold all groups share one draw of people, so that differences are paired."""
    of_folds = []
    for fold in sorted(folds):
        if people & set(folds[fold][0].people):
            weight_RP = person_weights(len(folds[fold][0].people), DRAWS, fold)
            jobs_JR = [
                mean_over_aus(_masked(arm, score, sums, weight_RP * _members(sums, people)))
                for sums in folds[fold]
            ]
            of_folds.append(np.mean(jobs_JR, axis=0))
    return np.asarray(np.mean(of_folds, axis=0))


def _members(sums: Sums, people: set[str]) -> Floats:
    return np.array([person in people for person in sums.people], np.float64)


def _masked(arm: Arm, score: str, sums: Sums, weight_P: Floats) -> Floats:
    """The score per AU; F1 of an AU that nobody of those weighed shows tells nothing, and is left out."""
    value_A = SCORES[arm.kind][score](sums, weight_P)
    if score == "f1" and isinstance(sums, DetectionSums):
        shown_A = weight_P @ (sums.true_positive_PA + sums.false_negative_PA)
        return np.where(shown_A > 0, value_A, np.nan)
    return value_A
