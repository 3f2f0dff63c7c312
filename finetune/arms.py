"""Jobs side by side: arms by task and way to start, and their scores.

Axes: A AUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.results import DETECTION_SCORES, INTENSITY_SCORES, load_sums
from finetune.scored import Score, Scored, score_jobs
from pretrain.config import ConfigError
from pretrain.metrics.people import DRAWS, mean_over_aus

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

    @property
    def kind(self) -> str:
        """Of the labels that it learnt."""
        return str(self.results[0]["kind"])


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
    score = _scores(arm.kind)[name]
    folds = []
    for fold in sorted({_place(result)[0] for result in arm.results}):
        jobs = [load_sums(r["per_person"]) for r in arm.results if _place(r)[0] == fold]
        folds.append(score_jobs(score, jobs, draws, seed + fold))
    value_A = np.mean([fold.value_A for fold in folds], axis=0)
    return Scored(value_A, np.mean([fold.draws_RA for fold in folds], axis=0))


def baseline_values(arm: Arm, name: str, row: str) -> tuple[Floats, float]:
    """A stored row (everything present, best on test, ...) averaged over the arm's jobs: per AU and mean."""
    per_au = [
        [result["test"][row][name]["per_au"][f"AU{au}"] for au in result["aus"]] for result in arm.results
    ]
    value_A = np.mean(np.array(per_au, dtype=np.float64), axis=0)
    return value_A, float(mean_over_aus(value_A))


def _scores(kind: str) -> dict[str, Score]:
    return INTENSITY_SCORES if kind == "intensity" else DETECTION_SCORES
