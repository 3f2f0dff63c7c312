"""Finished jobs from their run folders, and what their numbers are about."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from finetune.results import RESULT_FORMAT, RESULT_NAME
from finetune.train import FinetuneConfig
from pretrain.config import ConfigError

GENERATED_CAPTION = (
    "These faces are generated. The numbers prove the pipeline and compare methods; they say nothing about "
    "accuracy on real people."
)


def load_jobs(paths: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and result of each job, given by its `result.json` or its run folder.

    Raises:
        ConfigError: one is not there or is something else.
    """
    jobs = []
    for path in paths:
        file = path / RESULT_NAME if path.is_dir() else path
        if not file.is_file():
            raise ConfigError(f"no {RESULT_NAME} at {path}; give finished jobs' run folders")
        content = json.loads(file.read_text())
        if content.get("format_version") != RESULT_FORMAT or "per_person" not in content:
            raise ConfigError(
                f"{file} is not the result of a finetuning job of this program: wanted format version "
                f"{RESULT_FORMAT}, found {content.get('format_version')}"
            )
        jobs.append((file.parent, content))
    return jobs


def own_config(result: Mapping[str, Any]) -> dict[str, Any]:
    """A job's resolved config without the fields of whoever submitted it: cluster, registry, tracking."""
    known = {field.name for field in fields(FinetuneConfig)}
    return {name: value for name, value in result["config"].items() if name in known}


def caption(results: list[dict[str, Any]]) -> str:
    """What the numbers are about; the same for every table."""
    generated = any(result["data"]["generated"] for result in results)
    people = sorted({f"fold {r['protocol']['fold']}: {len(r['people']['test'])} people" for r in results})
    seeds = sorted({result["seed"] for result in results})
    text = (
        f"Scores on people never seen in training ({'; '.join(people)}; {len(seeds)} seed"
        f"{'s' if len(seeds) > 1 else ''}). Epoch and thresholds were chosen on other people. Brackets are "
        "95 % intervals, bootstrapped over people and seeds; differences are paired."
    )
    return f"{GENERATED_CAPTION} {text}" if generated else text
