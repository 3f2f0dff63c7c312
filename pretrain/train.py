"""The pretraining recipe: its config, and the loop.

A clip's way from file to loss: shards/pack/pack.py -> shards/plan.py -> shards/stream.py -> this loop ->
objectives/clp.py.
"""

import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from pretrain.augment import AugmentConfig
from pretrain.checkpoint import Checkpoints, claim_attempt, newest_facts
from pretrain.config import ConfigError, to_dict
from pretrain.data import DataConfig, make_plan, open_sets
from pretrain.device import to_device
from pretrain.engine import Engine, EngineConfig, make_engine, refuse_on_this_host
from pretrain.engines.micro import micro_batches
from pretrain.errors import NotFiniteError
from pretrain.forecast import Expected, forecast
from pretrain.meter import Meter, due
from pretrain.models.encoder import EncoderConfig, save_encoder
from pretrain.not_finite import FiniteWatch
from pretrain.objectives.clef import ClefConfig
from pretrain.objectives.clp import ClpConfig
from pretrain.objectives.cpc import CpcConfig
from pretrain.objectives.moco import MocoConfig
from pretrain.objectives.objective import Objective
from pretrain.objectives.registry import OBJECTIVES
from pretrain.objectives.simclr import SimclrConfig
from pretrain.optim import OptimConfig, learning_rate_at
from pretrain.progress import ProgressLine
from pretrain.run import RunConfig
from pretrain.tracking import Tracker
from pretrain.world import Alone, World, local_device
from shards import storage
from shards.mix import MixedPlan
from shards.plan import Plan, refuse_other_order
from shards.stream import stream_clips
from shards.stream_config import StreamCounters
from shards.tracks import TrackSet

ENCODER_FOLDER = "encoder"


@dataclass(frozen=True)
class PretrainConfig:
    """All of a pretraining run; `python -m pretrain FILE.yaml --print` shows it resolved."""

    data: DataConfig = field(default_factory=DataConfig)
    run: RunConfig = field(default_factory=RunConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    objective: str = "clp"
    """clp, simclr, moco, cpc or clef; the section of that name holds its settings."""
    clp: ClpConfig = field(default_factory=ClpConfig)
    simclr: SimclrConfig = field(default_factory=SimclrConfig)
    moco: MocoConfig = field(default_factory=MocoConfig)
    cpc: CpcConfig = field(default_factory=CpcConfig)
    clef: ClefConfig = field(default_factory=ClefConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    expected: Expected | None = None
    """For `--print` alone."""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective={self.objective!r} is unknown; use {', '.join(OBJECTIVES)}")
        if self.encoder.precision == "bfloat16" and self.engine.zero_stage == 0:
            raise ValueError(
                "encoder.precision=bfloat16 with engine.zero_stage=0: DeepSpeed's bfloat16 trains "
                "differently in stage 0; use engine.zero_stage=1, which is as fast, or engine.kind=ddp"
            )

    @property
    def settings(self) -> ClpConfig | SimclrConfig | MocoConfig | CpcConfig | ClefConfig:
        """The chosen objective's section."""
        chosen: ClpConfig | SimclrConfig | MocoConfig | CpcConfig | ClefConfig = getattr(self, self.objective)
        return chosen


def train(config: PretrainConfig, world: World, tracker: Tracker, facts: Mapping[str, Any]) -> str:
    """Pretrain for `config.run.steps` steps, from the newest committed checkpoint if there is one.

    Every rank runs this and reaches each collective in the same order: the engine, `meter.reduce`,
    `checkpoints.save`.

    Args:
        config: the run.
        world: its ranks.
        tracker: takes metrics on rank 0.
        facts: kept with each checkpoint, e.g. the MLflow run.

    Returns:
        URL of the exported encoder.
    """
    run, device = config.run, local_device()
    torch.manual_seed(run.seed)
    facts_before = newest_facts(run.url)
    sets = open_sets(config.data, None if facts_before is None else facts_before["order"])
    objective = _objective(config, world)
    objective.to_device(device)
    plan = _plan(config, sets)
    engine = _engine(objective, config, world)
    attempt = world.broadcast(claim_attempt(run.url) if world.rank == 0 else 0)
    checkpoints = Checkpoints(run.url, attempt, engine, objective.companions(), world, run.retention)
    facts = {**facts, "config": to_dict(config), "order": plan.describe()}
    restored = checkpoints.restore_newest(lambda stored: _refuse_other_run(stored, config, plan))
    step = 0 if restored is None else int(restored["step"])
    tracker.adopt([] if restored is None else restored["unsent_metrics"])
    counters = StreamCounters()
    batches = stream_clips(sets, plan, config.data.stream, counters, step, world.rank, world.size)
    stream = config.data.stream.for_sets(tracks.url for tracks in sets)
    meter = Meter(world, device, counters, run.global_batch, stream)
    watch = FiniteWatch(world, run.on_not_finite)
    metrics = {} if restored is None else dict(restored["metrics"])
    progress = ProgressLine(run.steps, step, run.global_batch, enabled=world.rank == 0)

    while step < run.steps:
        clips = to_device(next(batches)[1], device)
        losses = engine.gradients(micro_batches(clips, config.engine.accumulate), step)
        applied = engine.step(step)
        objective.after_step(step, engine.master_weights())
        watch.note(losses.total, applied)
        meter.add(losses.parts, clips.clips, plan.violations(step), applied)
        step += 1
        if due(step, run.log_every, run.steps):
            skipped = watch.check(step)
            metrics = meter.reduce(engine.gradient_norm, learning_rate_at(step - 1, run.steps, config.optim))
            metrics |= {**skipped, "data/too_short_samples": plan.too_short}
            _stop_unless_finite(metrics, step)
            tracker.log(metrics, step)
            progress.show(step, metrics)
        if due(step, run.save_every, run.steps):
            with meter.paused():
                checkpoints.save(step, {**facts, "unsent_metrics": tracker.unsent()}, metrics)
    checkpoints.wait()
    trained = _whole_copy(engine, config, world)
    if trained is not None:
        _export(trained, sets[0], config, step)
    world.barrier()
    return storage.join(run.url, ENCODER_FOLDER)


def check(config: PretrainConfig, processes: int) -> None:
    """Find a user's mistakes before any process is started.

    Raises:
        ConfigError: the batch does not divide, or the set cannot give the objective's batches.
        ShardError: the set cannot be read, or no sample can hold a clip.
    """
    _clips_per_rank(config, processes)
    try:
        refuse_on_this_host(config.engine)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    sets = open_sets(config.data)
    if isinstance(config.settings, ClefConfig):
        config.settings.check(sets, config.run.global_batch)
    _plan(config, sets)
    people = sum(tracks.manifest.totals.identities for tracks in sets)
    if people < config.settings.people:
        raise ConfigError(
            f"{config.data.url} shows {people} person; cross-identity reconstruction needs at least 2. "
            "Pack more people or set clp.cross_weight=0"
        )


def outlook(config: PretrainConfig) -> list[str]:
    """What the run is expected to take, a line each; nothing where the config does not say of what.

    Raises:
        ConfigError: it cannot be, with the number to change.
    """
    if config.expected is None:
        return []
    settings = config.settings
    return forecast(
        *(config.expected, config.run, config.encoder, config.engine),
        *(settings.clip_spec, settings.trained_frames),
    )


def _plan(config: PretrainConfig, sets: Sequence[TrackSet]) -> Plan | MixedPlan:
    settings, run = config.settings, config.run
    spec, policy = settings.clip_spec, settings.batch_policy
    return make_plan(sets, config.data, spec, policy, run.global_batch, run.seed)


def _objective(config: PretrainConfig, world: World) -> Any:
    run = config.run
    return OBJECTIVES[config.objective](
        config.settings,  # type: ignore[arg-type]  # the section of this objective
        *(config.encoder, config.augment, world, run.steps, run.global_batch),
    )


def _engine(objective: Any, config: PretrainConfig, world: World) -> Engine:
    clips = _clips_per_rank(config, world.size)
    return make_engine(objective, config.optim, config.engine, config.run.steps, clips, world)


def _whole_copy(engine: Engine, config: PretrainConfig, world: World) -> Any:
    """The trained objective on rank 0's host, a tensor at a time, whatever the ranks hold; None elsewhere."""
    # In a world of its own: making an objective may be a collective.
    copy = _objective(config, Alone()) if world.rank == 0 else None
    own = {} if copy is None else {**dict(copy.named_parameters()), **dict(copy.named_buffers())}
    with torch.no_grad():
        for name, weight in chain(engine.buffers().items(), engine.master_weights()):
            if own:
                own[name].copy_(weight)
    return copy


def _clips_per_rank(config: PretrainConfig, processes: int) -> int:
    global_batch, accumulate = config.run.global_batch, config.engine.accumulate
    if global_batch % (processes * accumulate):
        parts = f"{processes} processes" + (f" x engine.accumulate={accumulate}" if accumulate > 1 else "")
        near = math.ceil(global_batch / (processes * accumulate)) * processes * accumulate
        raise ConfigError(f"run.global_batch={global_batch} does not divide by {parts}; use {near}")
    return global_batch // processes


def _refuse_other_run(stored: Mapping[str, Any], config: PretrainConfig, plan: Plan | MixedPlan) -> None:
    """Check that a checkpoint belongs to this run's data and model.

    Raises:
        ManifestMismatchError: another order of data, naming each difference.
        ConfigError: another model or schedule, naming each difference.
    """
    refuse_other_order(stored["order"], plan)
    current = to_dict(config)
    fixed = ("objective", config.objective, "encoder", "augment", "optim", "run.steps")
    differing = [
        f"{name}: {before!r} -> {now!r}"
        for section in fixed
        for name, before, now in _differences(section, _at(stored["config"], section), _at(current, section))
    ]
    if differing:
        raise ConfigError(
            f"{config.run.url} holds a run with other settings; go on with those, or give another run.url: "
            + "; ".join(differing)
        )


def _at(content: Mapping[str, Any], path: str) -> Any:
    for name in path.split("."):
        content = content[name]
    return content


def _differences(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _differences(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield name, before, now


def _stop_unless_finite(metrics: Mapping[str, float], step: int) -> None:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise NotFiniteError(
            f"{', '.join(bad)} not finite by step {step}; the last checkpoint is good. "
            "Start a new run with a lower optim.learning_rate or higher temperatures"
        )


def _export(objective: Objective, tracks: TrackSet, config: PretrainConfig, step: int) -> None:
    """Write the encoder, and the temporal module if one was trained, as safetensors and config."""
    facts = {
        "recipe_digest": tracks.manifest.recipe_digest,
        "recipe": to_dict(tracks.manifest.recipe),
        "trained_on": tracks.manifest.digest,
        "step": step,
        "config": to_dict(config),
        "exported_unix_seconds": round(time.time()),
    }
    with tempfile.TemporaryDirectory(prefix="facscale-encoder-") as folder:
        save_encoder(objective.encoder, Path(folder), facts, objective.context)
        for path in sorted(Path(folder).iterdir()):
            storage.write_file(storage.join(config.run.url, ENCODER_FOLDER, path.name), path)
