"""`python -m finetune.rescore`: a finished job's scores again, from its saved model and the shards alone.

Scores of a report can be had again to the last digit: the saved model is run over the tested people's frames,
and every score is compared with the one that the job wrote. Another machine or another number of threads may
round sums otherwise; then the numbers that differ are named.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finetune.arms import labels_of
from finetune.artifact import SavedModel, load_model
from finetune.data import Group, open_fold
from finetune.jobs import load_jobs, own_config
from finetune.results import summary
from finetune.scored import Sums, sums_of
from finetune.train import FinetuneConfig
from pretrain.config import ConfigError, from_dict, run_command

MODEL_FOLDER = "model"


def rescore(folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """The `honest` scores of the model in a job's run folder; see `score_again`."""
    return score_again(load_model(folder / MODEL_FOLDER), result)


def score_again(saved: SavedModel, result: Mapping[str, Any]) -> dict[str, Any]:
    """The `honest` scores of a job's saved model, in the form of `result.json`.

    Args:
        saved: the model, from wherever it is kept.
        result: what the job wrote.

    Raises:
        ConfigError: the data are not those that the job has seen.
        ShardError: the set cannot be read.
    """
    config = from_dict(FinetuneConfig, own_config(result))
    data = open_fold(config.data, config.protocol, result["kind"], config.seed)
    found = data.test.tracks.manifest.digest
    wanted = result["data"].get("test_digest", result["data"]["digest"])
    if found != wanted:
        raise ConfigError(
            f"{data.test.tracks.url} has digest {found[:12]}, the job saw {wanted[:12]}; put the set "
            "back that it was scored on"
        )
    return as_written(summary(sums_on(saved, data.test), labels_of(result)))


def sums_on(saved: SavedModel, group: Group) -> Sums:
    """What each person of a group contributes to the scores of a model, at the model's own thresholds.

    Raises:
        ShardError: the set cannot be read.
    """
    table = group.run(saved.model.infer, saved.model.encoder.config.image_size)
    thresholds = saved.facts["thresholds"]
    threshold_A = None if thresholds is None else np.array(thresholds)
    return sums_of(group.target.kind, table.value_F, table.label_FA, table.person_F, threshold_A)


def as_written(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores as a file has them: numbers take the way of JSON on both sides of a comparison."""
    content: dict[str, Any] = json.loads(json.dumps(scores))
    return content


def unequal(written: Mapping[str, Any], again: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A line for each number that is not the same in both, to the last digit."""
    for name in dict.fromkeys([*written, *again]):
        first, second = written.get(name), again.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from unequal(first, second, f"{prefix}{name}.")
        elif first != second:
            yield f"{prefix}{name}: {first!r} was written, {second!r} found"


def count(scores: Mapping[str, Any]) -> int:
    """How many numbers there are."""
    return sum(count(value) if isinstance(value, Mapping) else 1 for value in scores.values())


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.rescore",
        description="Run finished jobs' saved models over the tested people again and compare all scores. "
        "Ends with status 1 where one differs.",
        epilog="example: python -m finetune.rescore runs/aunce-pretrained",
    )
    parser.add_argument("jobs", type=Path, nargs="+", metavar="RUN", help="run folders")
    given = parser.parse_args(arguments)
    differs = False
    for folder, result in load_jobs(given.jobs):
        written = result["test"]["honest"]
        lines = list(unequal(written, rescore(folder, result)))
        differs = differs or bool(lines)
        said = f"{len(lines)} of {count(written)} differ" if lines else f"all {count(written)} equal"
        sys.stdout.write("\n".join([f"{folder}: scores from the saved model: {said}", *lines]) + "\n")
    if differs:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
