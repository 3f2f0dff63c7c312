"""One finetuning job: one task, one fold, one seed; into a run folder.

    <out>/config.yaml                 the resolved config
    <out>/model/                      what `finetune.predict` and the registry take
    <out>/result.json                 scores, how they were chosen, sums per person
    <out>/test_predictions.parquet    the tested people's frames
    <out>/labelled_frames.json        intensity: the frames whose labels were used

Two runs of one config on one machine give the same files, but for times.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from finetune.artifact import save_model
from finetune.data import DataConfig, FoldData, Log, draw_seed, open_fold
from finetune.initial import RANDOM, initial_encoder, initial_parts
from finetune.protocols.registry import ProtocolConfig
from finetune.results import RESULT_FORMAT, RESULT_NAME, score_outcome, write_results
from finetune.targets import kind_of
from finetune.tasks.aunce import AunceConfig
from finetune.tasks.clef import ClefConfig
from finetune.tasks.intensity import IntensityConfig
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome
from finetune.tasks.registry import TASKS
from finetune.tasks.supervised import SupervisedConfig
from pretrain.augment import AugmentConfig
from pretrain.config import MISSING, ConfigError, dump, to_dict
from pretrain.models.encoder import EncoderConfig

WEIGHTS = 6
"""Purpose of the seed that first weights are drawn from."""
MILD = AugmentConfig(
    rotation_radians=0.05,
    scale=0.04,
    shift=0.03,
    contrast=0.2,
    saturation=0.2,
    channel_gain=0.1,
    grey=0.1,
    blur=0.1,
)
"""Milder than pretraining's: a few hundred steps cannot learn to see through strong changes."""


@dataclass(frozen=True)
class FinetuneConfig:
    """All of a finetuning job; `python -m finetune FILE.yaml --print` shows it resolved."""

    task: Literal["aunce", "clef", "intensity", "supervised"] = MISSING
    out: Path = MISSING
    """Run folder; must not hold another job's result."""
    init: str = RANDOM
    """`random`, or url or folder of an encoder that pretraining exported."""
    seed: int = 0
    """Of first weights, order, validation people and labelled frames."""
    data: DataConfig = field(default_factory=DataConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """For `init: random`; an exported encoder brings its own."""
    augment: AugmentConfig = MILD
    aunce: AunceConfig = field(default_factory=AunceConfig)
    clef: ClefConfig = field(default_factory=ClefConfig)
    intensity: IntensityConfig = field(default_factory=IntensityConfig)
    supervised: SupervisedConfig = field(default_factory=SupervisedConfig)


def run(config: FinetuneConfig, log: Log) -> dict[str, Any]:
    """Train, score and write one job.

    Args:
        config: the job.
        log: takes metrics and the step they belong to.

    Returns:
        The content of `result.json`.

    Raises:
        ConfigError: the config, the set and the protocol do not fit together, or `out` is taken.
        ShardError: the set cannot be read.
    """
    _claim(config.out)
    started = time.monotonic()
    task = TASKS[config.task]
    kind = kind_of(config.protocol.protocol, task.kinds)
    data = open_fold(config.data, config.protocol, kind, config.seed)
    manifest = data.tracks.manifest
    torch.manual_seed(draw_seed(config.seed, WEIGHTS))
    encoder, init = initial_encoder(config.init, config.encoder, manifest.recipe_digest)
    if manifest.recipe.size < encoder.config.image_size:
        raise ConfigError(
            f"the set's crops have {manifest.recipe.size} px, the encoder wants {encoder.config.image_size}; "
            "pack larger crops or set encoder.image_size"
        )
    job = Job(data, encoder, initial_parts(config.init), config.augment, config.seed, log)
    outcome = task.train(job, getattr(config, config.task))
    result = _result(config, data, outcome, {**init, "backbone": to_dict(encoder.config)})
    result["seconds"] = time.monotonic() - started
    _save(config, data, outcome, result)
    return result


def _result(config: FinetuneConfig, data: FoldData, outcome: Outcome, init: dict[str, Any]) -> dict[str, Any]:
    manifest = data.tracks.manifest
    return {
        "format_version": RESULT_FORMAT,
        "task": config.task,
        "kind": data.target.kind,
        "aus": list(data.target.aus),
        "expressions": list(data.target.expressions),
        "init": init,
        "seed": config.seed,
        "protocol": to_dict(config.protocol),
        "people": to_dict(data.fold),
        "people_line": data.fold_line,
        "data": {
            "url": config.data.url,
            "digest": manifest.digest,
            "recipe_digest": manifest.recipe_digest,
            "layout": manifest.layout,
            "test_url": config.data.test_url,
            "test_digest": data.test.tracks.manifest.digest,
            "generated": config.data.generated,
        },
        "chosen": outcome.chosen,
        **score_outcome(outcome, data.target),
        "facts": {name: fact for name, fact in outcome.facts.items() if name != "labelled_frames"},
        "unreadable": {**outcome.validation.unreadable, **outcome.test.unreadable},
        "stages": _rates(outcome.stages),
        "config": to_dict(config),
    }


def _claim(out: Path) -> None:
    if (out / RESULT_NAME).exists():
        raise ConfigError(f"{out} holds a finished job already; give another out= or remove it")
    out.mkdir(parents=True, exist_ok=True)


def _save(config: FinetuneConfig, data: FoldData, outcome: Outcome, result: dict[str, Any]) -> None:
    thresholds = None if outcome.threshold_A is None else outcome.threshold_A.tolist()
    facts = {
        "task": config.task,
        "kind": data.target.kind,
        "aus": list(data.target.aus),
        "expressions": list(data.target.expressions),
        "heads": outcome.heads,
        "thresholds": thresholds,
        "recipe": to_dict(data.tracks.manifest.recipe),
        "training_data": result["data"],
        "protocol": result["protocol"],
        "seed": config.seed,
        "init": {name: result["init"].get(name) for name in ("init", "source", "trained_on", "step")},
        "test_scores": result["test"]["honest"],
    }
    save_model(config.out / "model", outcome.model, facts)
    (config.out / "config.yaml").write_text(dump(config))
    write_results(config.out, result, outcome, data.target)


def _rates(stages: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {**stage, "images_per_second": stage["images"] / max(stage["seconds"], 1e-9)}
        for name, stage in stages.items()
    }
