"""Which epoch or step a job keeps: the best on validation people, who train nothing.

Tested people choose nothing. What would be best on them is kept beside it, as published numbers often are,
and called so.

    detection    mean AUC, which no threshold can tilt; then each AU's threshold by F1.
                 On the tested people: mean F1 with the thresholds that are best there.
    intensity    mean ICC
    expression   mean recall over expressions

Axes: F frames, A AUs.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from finetune.frames import FrameTable
from finetune.models.network import Network
from finetune.protocols.protocol import Kind
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from pretrain.labels import Labels
from pretrain.metrics.detection import auc, best_thresholds, detection_sums, f1
from pretrain.metrics.expression import expression_sums, recall
from pretrain.metrics.intensity import icc, intensity_sums
from pretrain.metrics.people import mean_over_aus

State = TypeVar("State")
CANDIDATES = tuple(float(value) for value in np.round(np.arange(0.02, 0.99, 0.02), 2))
"""Thresholds that may be chosen."""


def _mean_auc(table: FrameTable) -> float:
    half_A = np.full(table.value_F.shape[1], 0.5)
    return float(mean_over_aus(auc(detection_sums(table.value_F, half_A, table.label_FA, table.person_F))))


def _best_f1(table: FrameTable) -> float:
    sums = detection_sums(table.value_F, thresholds(table), table.label_FA, table.person_F)
    return float(mean_over_aus(f1(sums)))


def _mean_icc(table: FrameTable) -> float:
    return float(mean_over_aus(icc(intensity_sums(table.value_F, table.label_FA, table.person_F))))


def _mean_recall(table: FrameTable) -> float:
    sums = expression_sums(table.value_F, table.label_FA[:, 0], table.person_F)
    return float(mean_over_aus(recall(sums)))


@dataclass(frozen=True)
class _Criterion:
    name: str
    says: str
    on_validation: Callable[[FrameTable], float]
    on_test: Callable[[FrameTable], float]


_CRITERIA: dict[Kind, _Criterion] = {
    "detection": _Criterion(
        "auc", "mean AUC on validation people; thresholds by their F1", _mean_auc, _best_f1
    ),
    "intensity": _Criterion("icc", "mean ICC on validation people", _mean_icc, _mean_icc),
    "expression": _Criterion(
        "uar", "mean recall of the expressions on validation people", _mean_recall, _mean_recall
    ),
}


def thresholds(table: FrameTable) -> NDArray[np.float64]:
    """Per AU the threshold with the best F1 of a table's probabilities `(A,)`."""
    return best_thresholds(table.value_F, table.label_FA, CANDIDATES)


@dataclass(frozen=True)
class Look(Generic[State]):
    """A model at one epoch or step, seen on people it does not train on."""

    at: int
    score: float
    validation: FrameTable
    test: FrameTable
    state: State


class Choice(Generic[State]):
    """Takes looks at a model as it trains; keeps the best."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self._criterion = _CRITERIA[kind]
        self._best: Look[State] | None = None
        self._upper: Look[None] | None = None

    def look(self, at: int, validation: FrameTable, test: FrameTable, state: State) -> float:
        """Compare with the looks before; the earlier one stays where both are equal.

        Args:
            at: epoch or step.
            validation: predictions for the validation people.
            test: likewise for the tested people.
            state: the model's; copied if it is the best so far.

        Returns:
            The score on validation people; NaN where they show too little for one, which any score beats.
        """
        score, on_test = self._criterion.on_validation(validation), self._criterion.on_test(test)
        if self._best is None or score > self._best.score or np.isnan(self._best.score) > np.isnan(score):
            self._best = Look(at, score, validation, test, deepcopy(state))
        if self._upper is None or on_test > self._upper.score or np.isnan(self._upper.score):
            self._upper = Look(at, on_test, validation, test, None)
        return score

    @property
    def best(self) -> Look[State]:
        """By validation people; there must have been a look."""
        assert self._best is not None
        return self._best

    @property
    def name(self) -> str:
        """Of the score that validation people choose by, as it is logged."""
        return f"validation/{self._criterion.name}"

    def outcome(
        self,
        unit: str,
        model: Any,
        heads: dict[str, Any],
        facts: dict[str, Any],
        stages: dict[str, dict[str, float]],
    ) -> Outcome:
        """What the task hands back.

        Args:
            unit: what looks are counted in: `step` or `linear_epoch`.
            model: with the state of `best`.
            heads: constructor arguments of the model besides its encoder.
            facts: of the task.
            stages: of the task.
        """
        assert self._upper is not None
        best, upper, detection = self.best, self._upper, self.kind == "detection"
        return Outcome(
            model=model,
            heads=heads,
            threshold_A=thresholds(best.validation) if detection else None,
            validation=best.validation,
            test=best.test,
            chosen={
                unit: best.at,
                "by": self._criterion.says,
                f"validation_{self._criterion.name}": best.score,
                f"best_on_test_{unit.removeprefix('linear_')}": upper.at,
            },
            best_on_test=upper.test,
            best_on_test_threshold_A=thresholds(upper.test) if detection else None,
            facts=facts,
            stages=stages,
        )


def all_of(label_FA: Labels) -> Labels:
    """The labels as they are: nothing is hidden."""
    return label_FA


def choose_step(
    model: Network,
    job: Job,
    steps: Iterator[int],
    stages: Stages,
    shown: Callable[[Labels], Labels] = all_of,
) -> Choice[dict[str, Tensor]]:
    """Look at a model while it trains; leaves it as validation people chose it, frozen.

    Args:
        model: what `steps` trains.
        job: its data and log.
        steps: yields the number of steps done whenever it is time to look.
        stages: where time is counted.
        shown: labels `(..., A)` with -1 for those that may not choose.
    """
    choice: Choice[dict[str, Tensor]] = Choice(job.data.target.kind)
    size = model.encoder.config.image_size
    for step in steps:
        # Frozen as it will be served: a GRU rounds otherwise where its weights may be trained.
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        model.eval().requires_grad_(False)
        tables = []
        for group in (job.data.validation, job.data.test):
            with stages.time("look", images=group.num_frames):
                tables.append(group.run(model.infer, size))
        for parameter in trained:
            parameter.requires_grad_(True)
        validation, test = tables
        seen = replace(validation, label_FA=shown(validation.label_FA))
        score = choice.look(step, seen, test, model.state_dict())
        job.log({choice.name: score}, step)
    model.load_state_dict(choice.best.state)
    model.eval().requires_grad_(False)
    return choice
