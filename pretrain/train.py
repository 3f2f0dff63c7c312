"""The training loop of every pretraining.

A clip's way from file to loss: shards/pack/pack.py -> shards/plan.py -> shards/stream.py -> this loop ->
objectives/clp.py.
"""

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from pretrain.attempt import claim_attempt
from pretrain.checkpoint import Checkpoints
from pretrain.checkpoint_reader import newest_facts
from pretrain.config import to_dict
from pretrain.data import open_sets
from pretrain.device import to_device
from pretrain.engine import Engine, make_engine
from pretrain.engines.micro import micro_batches
from pretrain.errors import FencedError, NotFiniteError, StoppedError
from pretrain.flops import FlopCount
from pretrain.meter import Meter, due
from pretrain.models.exported import FACTS_NAME, save_encoder
from pretrain.not_finite import FiniteWatch
from pretrain.objectives.objective import Objective
from pretrain.objectives.registry import OBJECTIVES
from pretrain.optim import learning_rate_at
from pretrain.probe import Probe, probe_values
from pretrain.progress import ProgressLine
from pretrain.recipe import PretrainConfig, clips_per_rank, plan_of, refuse_other_run
from pretrain.stop import Asked, Stop, never
from pretrain.tracking import Tracker
from pretrain.world import Alone, World, local_device
from shards import storage
from shards.stream import stream_clips
from shards.stream_config import StreamCounters
from shards.tracks import TrackSet

ENCODER_FOLDER = "encoder"
T = TypeVar("T")


def train(
    config: PretrainConfig,
    world: World,
    tracker: Tracker,
    facts: Mapping[str, Any],
    asked: Asked = never,
    lease_number: int | None = None,
) -> str:
    """Pretrain for `config.run.steps` steps, from the newest committed checkpoint if there is one.

    Every rank runs this and reaches each collective in the same order: the engine, `meter.reduce`,
    `checkpoints.save`, the probe.

    Args:
        config: the run.
        world: its ranks.
        tracker: takes metrics on rank 0.
        facts: kept with each checkpoint, e.g. the MLflow run.
        asked: whether this process was asked to end. All ranks then save and stop.
        lease_number: of the driver that leads the run; None where there is none.

    Returns:
        URL of the exported encoder.

    Raises:
        StoppedError: it was asked to end, and has saved.
        FencedError: another attempt took over the run.
        NotFiniteError: training diverged.
    """
    run, device = config.run, local_device()
    torch.manual_seed(run.seed)
    facts_before = newest_facts(run.url)
    sets = open_sets(config.data, None if facts_before is None else facts_before["order"])
    objective = _objective(config, world)
    objective.to_device(device)
    plan = plan_of(config, sets)
    engine = _engine(objective, config, world)
    attempt = _asked_by_rank_0(world, lambda: claim_attempt(run.url, lease_number))
    checkpoints = Checkpoints(attempt, engine, objective.companions(), world, run.retention)
    facts = {**facts, "config": to_dict(config), "order": plan.describe()}
    restored = checkpoints.restore_newest(lambda stored: refuse_other_run(stored, config, plan))
    step = 0 if restored is None else int(restored["step"])
    tracker.adopt([] if restored is None else restored["unsent_metrics"])
    counters = StreamCounters()
    batches = stream_clips(sets, plan, config.data.stream, counters, step, world.rank, world.size)
    stream = config.data.stream.for_sets(tracks.url for tracks in sets)
    flops = FlopCount([objective, *objective.companions().values()], device, config.encoder.precision)
    meter = Meter(world, device, counters, run.global_batch, stream, flops)
    watch = FiniteWatch(world, run.on_not_finite)
    metrics = {} if restored is None else dict(restored["metrics"])
    progress = ProgressLine(run.steps, step, run.global_batch, enabled=world.rank == 0)
    progress.begin(attempt.number)
    stop = Stop(world, asked)
    probe = None if config.probe is None else Probe(config.probe, sets, world, device)
    probed = {} if probe is None else probe_values(metrics)
    if probe is not None and not probed:  # where its curve begins, and something to keep the best by
        with meter.paused():
            probed = _watch(probe, _whole_copy(engine, config, world), step, tracker, progress)

    while step < run.steps:
        clips = to_device(next(batches)[1], device)
        torch.manual_seed(run.seed_of(step, world.rank))
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
        stops = stop()
        if probe is not None and not stops and due(step, probe.config.every, run.steps):
            with meter.paused():
                probed = _watch(probe, _whole_copy(engine, config, world), step, tracker, progress)
        if stops or due(step, run.save_every, run.steps):
            with meter.paused():
                # A group that was replaced ends as one, without an error that would start it anew.
                _asked_by_rank_0(world, checkpoints.wait)
                known = {**metrics, **probed} if metrics else {}  # all of them, or none yet
                checkpoints.save(step, {**facts, "unsent_metrics": tracker.unsent()}, known)
        if stops and step < run.steps:
            _asked_by_rank_0(world, checkpoints.wait)
            checkpoints.wait()
            raise StoppedError(f"asked to end: saved after step {step} of {run.steps}; start again to go on")
    _asked_by_rank_0(world, checkpoints.wait)
    checkpoints.wait()
    trained = _whole_copy(engine, config, world)
    _asked_by_rank_0(world, attempt.refuse_if_replaced)
    if trained is not None:
        _export(trained, sets[0], config, step)
    world.barrier()
    return storage.join(run.url, ENCODER_FOLDER)


def _asked_by_rank_0(world: World, ask: Callable[[], T]) -> T:
    """What rank 0 is told, on every rank: all of them end where it is refused."""
    answer: T | FencedError | None = None
    if world.rank == 0:
        try:
            answer = ask()
        except FencedError as refused:
            answer = refused
    told: Any = world.broadcast(answer)
    if isinstance(told, FencedError):
        raise told
    return cast(T, told)


def _objective(config: PretrainConfig, world: World) -> Any:
    run = config.run
    return OBJECTIVES[config.objective](
        config.settings,  # type: ignore[arg-type]  # the section of this objective
        *(config.encoder, config.augment, world, run.steps, run.global_batch),
    )


def _engine(objective: Any, config: PretrainConfig, world: World) -> Engine:
    clips = clips_per_rank(config, world.size)
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


def _watch(
    probe: Probe, trained: Any, step: int, tracker: Tracker, progress: ProgressLine
) -> dict[str, float]:
    """What the probe says of a whole copy, on every rank, and logged."""
    probed = probe(None if trained is None else trained.encoder)
    _stop_unless_finite(probed, step)
    tracker.log(probed, step)
    progress.show_probe(step, probed)
    return probed


def _stop_unless_finite(metrics: Mapping[str, float], step: int) -> None:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise NotFiniteError(
            f"{', '.join(bad)} not finite by step {step}; the last checkpoint is good. "
            "Start a new run with a lower optim.learning_rate or higher temperatures"
        )


def _export(objective: Objective, tracks: TrackSet, config: PretrainConfig, step: int) -> None:
    """Write the encoder, and what finetuning goes on with beside it, as safetensors and config."""
    facts = {
        "recipe_digest": tracks.manifest.recipe_digest,
        "recipe": to_dict(tracks.manifest.recipe),
        "trained_on": tracks.manifest.digest,
        "step": step,
        "config": to_dict(config),
        "exported_unix_seconds": round(time.time()),
    }
    with tempfile.TemporaryDirectory(prefix="facscale-encoder-") as folder:
        save_encoder(objective.encoder, Path(folder), facts, objective.parts())
        # The facts last: with them the encoder is there.
        for path in sorted(Path(folder).iterdir(), key=lambda path: (path.name == FACTS_NAME, path.name)):
            storage.write_file(storage.join(config.run.url, ENCODER_FOLDER, path.name), path)
