"""Jobs side by side: arms, named by what differs between their configs, and their scores.

Axes: A AUs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.artifact import value_names
from finetune.initial import RANDOM, WEIGHTS
from finetune.jobs import own_config
from finetune.protocols.protocol import Kind
from finetune.results import SCORES, load_sums
from finetune.scored import Scored, Sums, score_folds
from finetune.tasks.registry import TASKS
from pretrain.config import ConfigError
from pretrain.metrics.people import DRAWS, mean_over_aus

HEADLINES: dict[Kind, tuple[str, ...]] = {
    "detection": ("f1", "auc"),
    "intensity": ("icc", "mae"),
    "expression": ("uar", "f1"),
}
"""Scores shown per AU, the most telling first."""
BASELINES: dict[Kind, str] = {
    "detection": "everything_present",
    "intensity": "labelled_mean",
    "expression": "commonest",
}
"""The row to beat, as jobs store it."""
LOWER_IS_BETTER = ("mae", "mse")
WITHIN_AN_ARM = ("seed", "out", "protocol.fold", "data.url", "data.test_url", "data.stream")
"""What jobs of one arm may differ in: draws, folds, and where things lie."""
ABSENT = "absent"
MOST_SHOWN = 160
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """Jobs that differ in fold and seed alone, in the order of both."""

    name: str
    """What sets it apart from the other arms of its kind, as `task=aunce aunce.delta=0.0`."""
    results: list[dict[str, Any]]

    @property
    def kind(self) -> Kind:
        """Of the labels that it learnt."""
        kind: Kind = self.results[0]["kind"]
        return kind

    @property
    def is_random(self) -> bool:
        """Whether it began with random weights."""
        return str(self.results[0]["init"]["init"]) == RANDOM

    @property
    def labels(self) -> list[str]:
        """What is scored, in the order of axis A."""
        return labels_of(self.results[0])


def labels_of(result: Mapping[str, Any]) -> list[str]:
    """Names of what a job scores, AUs or expressions, as its tables have them."""
    return [name if isinstance(name, str) else f"AU{name}" for name in value_names(result)]


def make_arms(results: Sequence[dict[str, Any]]) -> dict[Kind, list[Arm]]:
    """Arms by kind of labels, in the order in which the jobs are given.

    Raises:
        ConfigError: jobs of one kind differ in AUs, data, folds or tested people of a fold, so that their
            scores cannot stand side by side; or one job is there twice.
    """
    kinds: dict[Kind, list[Arm]] = {}
    for kind in dict.fromkeys(result["kind"] for result in results):
        mine = [result for result in results if result["kind"] == kind]
        _refuse_mixture(kind, mine)
        groups: dict[str, list[dict[str, Any]]] = {}
        for result in mine:
            groups.setdefault(str(sorted(settings(result).items())), []).append(result)
        jobs = list(groups.values())
        arms = zip(_names([group[0] for group in jobs]), jobs, strict=True)
        kinds[kind] = [Arm(name, sorted(group, key=_place)) for name, group in arms]
        _refuse_uneven(kind, kinds[kind])
    return kinds


def only_arm(results: Sequence[dict[str, Any]]) -> Arm:
    """The arm that all jobs are of.

    Raises:
        ConfigError: they are of several.
    """
    arms = [arm for found in make_arms(results).values() for arm in found]
    if len(arms) != 1:
        raise ConfigError(f"jobs of one arm wanted, found {[arm.name for arm in arms]}; give one arm's jobs")
    return arms[0]


def settings(result: Mapping[str, Any]) -> dict[str, str]:
    """All that makes a job's arm: its resolved config by dotted names, without other tasks' fields.

    `encoder` is that of the model: an exported encoder brings its own, whatever the config says.
    """
    own = own_config(result)
    config = {
        **{name: value for name, value in own.items() if name not in TASKS},
        "encoder": result["init"]["backbone"],
        str(result["task"]): own.get(str(result["task"]), {}),
    }
    return {
        name: value
        for name, value in _flat(config)
        if not any(name == own or name.startswith(f"{own}.") for own in WITHIN_AN_ARM)
    }


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _names(firsts: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each arm by its first job; of an arm alone, its task and start."""
    found = [settings(result) for result in firsts]
    starts = [_start(result) for result in firsts]
    if len(set(starts)) == len({settings_of["init"] for settings_of in found}):
        for settings_of, start in zip(found, starts, strict=True):
            settings_of["init"] = start
    tasks = [str(result["task"]) for result in firsts]
    # A task's own fields set arms of that task apart, not from those of other tasks.
    values: dict[str, dict[int, str]] = {
        key: {
            place: found[place].get(key, ABSENT) for place, task in enumerate(tasks) if _concerns(key, task)
        }
        for key in dict.fromkeys(["task", "init", *sorted({key for one in found for key in one})])
    }
    named = [key for key, of_arms in values.items() if len(set(of_arms.values())) > 1] or ["task", "init"]
    return [
        " ".join(f"{key}={values[key][place]}" for key in named if place in values[key])
        for place in range(len(found))
    ]


def _concerns(key: str, task: str) -> bool:
    first = key.split(".")[0]
    return first == task or first not in TASKS


def _start(result: Mapping[str, Any]) -> str:
    """`random`, or in a word what the first weights were pretrained with, or whose they are."""
    init = result["init"]
    if init["init"] == RANDOM:
        return RANDOM
    if init["init"] == WEIGHTS:
        return str(init["source"])
    return str(init.get("config", {}).get("objective", "pretrained"))


def _place(result: Mapping[str, Any]) -> tuple[int, int]:
    return int(result["protocol"]["fold"]), int(result["seed"])


def _refuse_mixture(kind: str, results: Sequence[Mapping[str, Any]]) -> None:
    facts = {
        "AUs or expressions": {str(labels_of(result)) for result in results},
        "data": {result["data"]["digest"][:12] for result in results},
        "tested data": {str(result["data"].get("test_digest", ""))[:12] for result in results},
        "protocol": {str(result["protocol"]["name"]) for result in results},
    }
    for fold in sorted({_place(result)[0] for result in results}):
        people = {str(result["people"]["test"]) for result in results if _place(result)[0] == fold}
        facts[f"tested people of fold {fold}"] = people
    for name, found in facts.items():
        if len(found) > 1:
            shown = [text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..." for text in sorted(found)]
            raise ConfigError(
                f"{kind}: the jobs differ in {name}: {shown}; compare jobs on equal people and data"
            )


def _refuse_uneven(kind: str, arms: Sequence[Arm]) -> None:
    for arm in arms:
        places = [_place(result) for result in arm.results]
        if twice := sorted({place for place in places if places.count(place) > 1}):
            fold, seed = twice[0]
            outs = [str(result["config"].get("out")) for result in arm.results if _place(result) == twice[0]]
            raise ConfigError(
                f"{kind}, {arm.name}: {len(outs)} jobs of fold {fold} and seed {seed}: {outs}; give one"
            )
    folds = {arm.name: sorted({_place(result)[0] for result in arm.results}) for arm in arms}
    if len({str(found) for found in folds.values()}) > 1:
        raise ConfigError(
            f"{kind}: the arms have jobs of different folds: {folds}; give every arm the same folds, so that "
            "all are scored on the same people"
        )


def refuse_other_networks(kind: str, arms: Sequence[Arm]) -> None:
    """For statements on what pretraining gives.

    Raises:
        ConfigError: arms have different encoders: that would compare networks, not pretraining.
    """
    found = sorted({str(arm.results[0]["init"]["backbone"]) for arm in arms})
    if len(found) > 1:
        raise ConfigError(
            f"{kind}: the jobs differ in encoder: {found}; give the random job the `encoder` of pretraining, "
            "or look at them with `python -m finetune.compare`"
        )


def score_arm(arm: Arm, name: str, draws: int = DRAWS, seed: int = 0) -> Scored:
    """A score of an arm, as `scored.score_folds`: arms with equal folds and seeds are paired."""
    return score_folds(SCORES[arm.kind][name], sums_by_fold(arm), draws, seed)


def sums_by_fold(arm: Arm) -> dict[int, list[Sums]]:
    """What each tested person contributes, by fold; a list entry for each seed."""
    folds: dict[int, list[Sums]] = {}
    for result in arm.results:
        folds.setdefault(_place(result)[0], []).append(load_sums(result["per_person"]))
    return folds


def baseline_values(arm: Arm, name: str, row: str) -> tuple[Floats, float]:
    """A stored row (everything present, best on test, ...) averaged over the arm's jobs: per AU and mean."""
    each = "per_expression" if arm.kind == "expression" else "per_au"
    stored = [[result["test"][row][name][each][label] for label in arm.labels] for result in arm.results]
    value_A = np.mean(np.array(stored, dtype=np.float64), axis=0)
    return value_A, float(mean_over_aus(value_A))
