"""All of a pretraining run as one config, and what can be said of it before any process starts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pretrain.augment import AugmentConfig
from pretrain.config import ConfigError, to_dict
from pretrain.data import DataConfig, make_plan, open_sets
from pretrain.engine import EngineConfig, refuse_on_this_host
from pretrain.engines.backbone import checkpoint_activations
from pretrain.forecast import Expected, forecast
from pretrain.models.encoder import EncoderConfig, on_paper
from pretrain.objectives.clef import ClefConfig
from pretrain.objectives.clp import ClpConfig
from pretrain.objectives.cpc import CpcConfig
from pretrain.objectives.moco import MocoConfig
from pretrain.objectives.registry import OBJECTIVES
from pretrain.objectives.simclr import SimclrConfig
from pretrain.optim import OptimConfig
from pretrain.probe import PROBED, ProbeConfig, open_held_out
from pretrain.run import RunConfig
from shards.mix import MixedPlan
from shards.plan import Plan, refuse_other_order
from shards.tracks import TrackSet

Difference = tuple[str, Any, Any]
"""Path of a setting, and its values before and now."""


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
    probe: ProbeConfig | None = None
    """Watches the encoder; None: nothing does."""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective={self.objective!r} is unknown; use {', '.join(OBJECTIVES)}")
        if self.encoder.precision == "bfloat16" and self.engine.zero_stage == 0:
            raise ValueError(
                "encoder.precision=bfloat16 with engine.zero_stage=0: DeepSpeed's bfloat16 trains "
                "differently in stage 0; use engine.zero_stage=1, which is as fast, or engine.kind=ddp"
            )
        if self.objective == "clef" and self.engine.accumulate > 1:
            raise ValueError(
                f"objective=clef with engine.accumulate={self.engine.accumulate}: a micro batch would hold "
                "fewer activities than clef.num_activities; use engine.accumulate=1 and more ranks, or lower "
                "clef.num_people"
            )
        if self.run.keep_best in PROBED:
            _refuse_stale(self.run, self.probe)

    @property
    def settings(self) -> ClpConfig | SimclrConfig | MocoConfig | CpcConfig | ClefConfig:
        """The chosen objective's section."""
        chosen: ClpConfig | SimclrConfig | MocoConfig | CpcConfig | ClefConfig = getattr(self, self.objective)
        return chosen


def _refuse_stale(run: RunConfig, probe: ProbeConfig | None) -> None:
    """A checkpoint is the best by what its own weights give."""
    if probe is None:
        raise ValueError(
            f"run.keep_best={run.keep_best} without a probe; set probe.url to a labelled set, or keep the "
            "best by another metric"
        )
    if run.save_every % probe.every:
        raise ValueError(
            f"run.keep_best={run.keep_best} with run.save_every={run.save_every} and probe.every="
            f"{probe.every}: checkpoints would be judged by older weights; make run.save_every a multiple"
        )


def check(config: PretrainConfig, processes: int) -> None:
    """Find a user's mistakes before any process is started.

    Raises:
        ConfigError: the batch does not divide, or the set cannot give the objective's batches, or the probe's
            set cannot be probed.
        ShardError: the set cannot be read, or no sample can hold a clip.
    """
    clips_per_rank(config, processes)
    refuse_on_this_host(config.engine)
    if config.engine.activation_checkpointing:
        checkpoint_activations(on_paper(config.encoder))
    sets = open_sets(config.data)
    config.settings.check(sets, config.run.global_batch)
    if config.probe is not None:
        open_held_out(config.probe, sets)
    plan_of(config, sets)


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


def plan_of(config: PretrainConfig, sets: Sequence[TrackSet]) -> Plan | MixedPlan:
    """Which clips the run trains on, in which order."""
    settings, run = config.settings, config.run
    spec, policy = settings.clip_spec, settings.batch_policy
    return make_plan(sets, config.data, spec, policy, run.global_batch, run.seed)


def clips_per_rank(config: PretrainConfig, processes: int) -> int:
    """Clips of a step that each process takes.

    Raises:
        ConfigError: the batch does not divide, with the nearest that does.
    """
    global_batch, accumulate = config.run.global_batch, config.engine.accumulate
    if global_batch % (processes * accumulate):
        parts = f"{processes} processes" + (f" x engine.accumulate={accumulate}" if accumulate > 1 else "")
        near = math.ceil(global_batch / (processes * accumulate)) * processes * accumulate
        raise ConfigError(f"run.global_batch={global_batch} does not divide by {parts}; use {near}")
    return global_batch // processes


def refuse_other_run(stored: Mapping[str, Any], config: PretrainConfig, plan: Plan | MixedPlan) -> None:
    """Check that a checkpoint belongs to this run's data and model.

    Raises:
        ManifestMismatchError: another order of data, naming each difference.
        ConfigError: another model or schedule, naming each difference.
    """
    refuse_other_order(stored["order"], plan)
    differing = [
        difference
        for section, found in decisive(config).items()
        for difference in differences(section, _at(stored["config"], section), found)
    ]
    refuse_differing(config.run.url, "run.url", differing)


def decisive(config: PretrainConfig) -> dict[str, Any]:
    """What of a config decides the result, by section; the order of the data says the rest."""
    sections = ["objective", config.objective, "encoder", "augment", "optim", "run.steps"]
    if config.run.keep_best in PROBED:
        # Checkpoints are compared by it: scores of other people would pass for worse or better weights.
        sections += ["probe.url", "probe.frames"]
    content = to_dict(config)
    return {section: _at(content, section) for section in sections}


def refuse_differing(place: str, key: str, differing: Sequence[Difference]) -> None:
    """Stop here if there is any, and name each.

    Raises:
        ConfigError: there is.
    """
    if differing:
        named = "; ".join(f"{name}: {before!r} -> {now!r}" for name, before, now in differing)
        raise ConfigError(
            f"{place} holds a run with other settings; go on with those, or give another {key}: {named}"
        )


def _at(content: Any, path: str) -> Any:
    """What stands there; None below a section that is left out."""
    for name in path.split("."):
        content = None if content is None else content[name]
    return content


def differences(name: str, before: Any, now: Any) -> Iterator[Difference]:
    """Path, and both values, of all that is not equal in plain containers."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from differences(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield name, before, now
