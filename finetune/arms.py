"""Jobs side by side: scores of each way to start, intervals over people and seeds, paired differences.

Axes: R bootstrap draws, P people, A AUs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.results import DETECTION_SCORES, INTENSITY_SCORES, load_sums
from pretrain.config import ConfigError
from pretrain.metrics.people import Interval, mean_over_aus, percentile_interval, person_weights

DRAWS = 2000
ARM_ORDER = ("pretrained", "random")
HEADLINES = {"aunce": ("f1", "auc"), "intensity": ("icc", "mae")}
"""Scores shown, the first with intervals per AU."""
BASELINES = {"aunce": "everything_present", "intensity": "labelled_mean"}
LOWER_IS_BETTER = ("mae", "mse")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """Jobs that differ in fold and seed alone."""

    task: str
    start: str
    results: list[dict[str, Any]]


@dataclass(frozen=True)
class Scored:
    """A score of an arm: mean over jobs, and its bootstrap draws."""

    value_A: Floats
    draws_RA: Floats

    @property
    def mean(self) -> float:
        return float(mean_over_aus(self.value_A))

    @property
    def mean_interval(self) -> Interval:
        return percentile_interval(mean_over_aus(self.draws_RA))

    def interval(self, au: int) -> Interval:
        """Interval of the AU at this place of the arm's AU list."""
        return percentile_interval(self.draws_RA[:, au])


def make_arms(results: Sequence[dict[str, Any]]) -> dict[str, list[Arm]]:
    """Arms by task, pretrained first.

    Raises:
        ConfigError: jobs of one task differ in AUs, data or tested people of a fold, so that their scores
            cannot stand side by side.
    """
    tasks: dict[str, list[Arm]] = {}
    for task in sorted({result["task"] for result in results}):
        mine = [result for result in results if result["task"] == task]
        _refuse_mixture(task, mine)
        arms = [
            Arm(task, start, sorted(chosen, key=_place))
            for start in ARM_ORDER
            if (chosen := [result for result in mine if result["init"]["init"] == start])
        ]
        tasks[task] = arms
    return tasks


def _place(result: dict[str, Any]) -> tuple[int, int]:
    return result["protocol"]["fold"], result["seed"]


def _refuse_mixture(task: str, results: list[dict[str, Any]]) -> None:
    facts = {
        "AUs": {str(result["aus"]) for result in results},
        "data": {result["data"]["digest"][:12] for result in results},
        # Random weights in another network would compare networks, not pretraining.
        "encoder (give the random job the `encoder` of pretraining)": {
            str(result["init"]["backbone"]) for result in results
        },
    }
    for fold in {result["protocol"]["fold"] for result in results}:
        people = {str(result["people"]["test"]) for result in results if result["protocol"]["fold"] == fold}
        facts[f"tested people of fold {fold}"] = people
    for name, found in facts.items():
        if len(found) > 1:
            raise ConfigError(
                f"{task}: the jobs differ in {name}: {sorted(found)}; compare jobs on equal people and data"
            )


def score_arm(arm: Arm, name: str, draws: int = DRAWS, seed: int = 0) -> Scored:
    """A score of an arm; people are drawn within each fold, seeds among the fold's jobs.

    The same draws are made for every arm with equal folds and seeds: differences of draws are paired.
    """
    score = _scores(arm.task)[name]
    values, drawn = [], []
    for fold in sorted({_place(result)[0] for result in arm.results}):
        jobs = [load_sums(r["per_person"]) for r in arm.results if _place(r)[0] == fold]
        weight_RP = person_weights(len(jobs[0].people), draws, seed + fold)
        draws_JRA = np.stack([score(sums, weight_RP) for sums in jobs])
        rng = np.random.default_rng([seed, fold, len(jobs)])
        picked_RJ = rng.integers(len(jobs), size=(draws, len(jobs)))
        values.append(np.mean([score(sums) for sums in jobs], axis=0))
        drawn.append(draws_JRA[picked_RJ, np.arange(draws)[:, None]].mean(axis=1))
    return Scored(np.mean(values, axis=0), np.mean(drawn, axis=0))


def difference(first: Scored, second: Scored) -> tuple[float, Interval]:
    """First minus second in the mean over AUs, with the paired interval."""
    draws_R = mean_over_aus(first.draws_RA) - mean_over_aus(second.draws_RA)
    return first.mean - second.mean, percentile_interval(draws_R)


def baseline_values(arm: Arm, name: str, row: str) -> tuple[Floats, float]:
    """A stored row (everything present, best on test, ...) averaged over the arm's jobs: per AU and mean."""
    per_au = [
        [result["test"][row][name]["per_au"][f"AU{au}"] for au in result["aus"]] for result in arm.results
    ]
    value_A = np.mean(np.array(per_au, dtype=np.float64), axis=0)
    return value_A, float(mean_over_aus(value_A))


def _scores(task: str) -> dict[str, Callable[..., Floats]]:
    return INTENSITY_SCORES if task == "intensity" else DETECTION_SCORES
