"""What a run left in storage and in MLflow: sizes of its sets, its metrics, its registered models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.config import ConfigError
from pretrain.losses.temporal_contrast import margin_nce
from pretrain.models.exported import FACTS_NAME
from shards import storage
from shards.schema import Manifest

ENCODER_FOLDER = "encoder"
LOSSES = "loss/"
"""Prefix of the objective's losses, of which each objective has its own."""
HEALTH = (
    "clp/feature_std",
    "clp/attention_entropy",
    "optim/learning_rate",
    "speed/clips_per_s",
    "data/wait_share",
)


@dataclass(frozen=True)
class SetFacts:
    """A shard set's totals."""

    layout: str
    people: int
    videos: int
    tracks: int
    frames: int
    seconds: float
    failures: dict[str, int]
    shards: int
    bytes: int
    crop_pixels: int


@dataclass(frozen=True)
class Curve:
    """A metric over steps."""

    step: list[int]
    value: list[float]


@dataclass(frozen=True)
class PretrainRun:
    """A pretraining run; `reader` has its newest checkpoint open."""

    config: dict[str, Any]
    step: int
    reader: CheckpointReader
    curves: dict[str, Curve]

    @property
    def objective(self) -> dict[str, Any]:
        """The settings of what was trained."""
        return objective_settings(self.config)


def objective_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Of a run's resolved config, the section of its objective."""
    return dict(config[config["objective"]])


@dataclass(frozen=True)
class RegisteredModel:
    name: str
    alias: str
    version: str


def set_facts(manifest: Manifest) -> SetFacts:
    totals = manifest.totals
    return SetFacts(
        layout=manifest.layout,
        people=totals.identities,
        videos=totals.videos,
        tracks=totals.tracks,
        frames=totals.frames,
        seconds=totals.seconds,
        failures=dict(totals.failures),
        shards=len(manifest.shards),
        bytes=sum(entry.bytes for entry in manifest.shards),
        crop_pixels=manifest.recipe.size,
    )


def export_facts(run_url: str) -> dict[str, Any]:
    """What a pretraining run wrote beside its exported encoder: `config`, `step`, ...

    Raises:
        ConfigError: it exported none, or is not finished.
    """
    url = storage.join(run_url, ENCODER_FOLDER, FACTS_NAME)
    if not storage.exists(url):
        raise ConfigError(
            f"{run_url} holds no finished pretraining run: {ENCODER_FOLDER}/{FACTS_NAME} wanted"
        )
    facts: dict[str, Any] = json.loads(storage.read_bytes(url))
    return facts


def open_pretrain_run(run_url: str) -> PretrainRun:
    """A finished run's config, newest checkpoint and metrics.

    Raises:
        ConfigError: nothing finished is there.
    """
    checkpoints = committed(run_url)
    if not checkpoints:
        raise ConfigError(f"{run_url} holds no finished pretraining run: no checkpoint")
    facts = export_facts(run_url)
    reader = CheckpointReader(checkpoints[-1])
    curves = read_curves(str(reader.facts.get("mlflow_run_id", "")))
    return PretrainRun(facts["config"], int(facts["step"]), reader, curves)


def read_curves(run_id: str) -> dict[str, Curve]:
    """Histories of losses and HEALTH from MLflow; empty where the run was not tracked, or is gone.

    A metric that was logged twice for a step, by an attempt that was killed and the one after it, keeps
    the later value.
    """
    if not run_id:
        return {}
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    curves = {}
    try:
        client = MlflowClient()
        logged = client.get_run(run_id).data.metrics
        losses = sorted(name for name in logged if name.startswith(LOSSES))
        for name in (*losses, *(name for name in HEALTH if name in logged)):
            history = sorted(client.get_metric_history(run_id, name), key=lambda entry: entry.timestamp)
            if by_step := {int(entry.step): float(entry.value) for entry in history}:
                curves[name] = Curve(sorted(by_step), [by_step[step] for step in sorted(by_step)])
    except MlflowException:
        return {}
    return curves


def constant_feature_losses(objective: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """By metric, what the loss is for a feature that is the same for all frames, with a short name.

    A loss above its value has taught nothing yet.
    """
    frames = int(objective.get("num_frames", 0))
    levels: dict[str, tuple[str, float]] = {}
    if frames >= 4 and {"tau", "margin"} <= set(objective):
        same_1TD = F.normalize(torch.ones(1, frames, 2), dim=2)
        value = float(margin_nce(same_1TD, float(objective["tau"]), float(objective["margin"])))
        levels["loss/temporal"] = (f"constant feature: {value:.2f}", value)
    if objective.get("reconstruction") == "nce" and frames:
        value = float(torch.tensor(float(frames)).log())
        levels["loss/cross_identity"] = (f"chance: ln {frames} = {value:.2f}", value)
    return levels


def registered(names: Sequence[str], alias: str) -> list[RegisteredModel]:
    """The version of each model that bears the alias.

    Raises:
        ConfigError: a model or its alias is not in the registry.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client, found = MlflowClient(), []
    for name in names:
        try:
            version = client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            raise ConfigError(f"the registry has no {name}@{alias}: {error.message}") from error
        found.append(RegisteredModel(name, alias, str(version.version)))
    return found
