"""A pipeline as it is written: steps by name, each with its own job's config, and what one reads of another.

pack:
  faces: {source: s3://bucket/videos, layout: voxceleb}
pretrain:
  clp: {from: pretrain/configs/clp_cpu.yaml, data: {url: step:faces}}
finetune:
  aunce: {from: finetune/configs/aunce_disfa.yaml, data: {url: s3://bucket/disfa}, init: step:clp}
"""

import copy
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from finetune.gates import GatesConfig
from pretrain.config import MISSING, ConfigError, Request, load, to_dict
from ray_jobs.runs import TrackingConfig
from ray_jobs.steps import KINDS, place_of

REFERENCE = "step:"
FROM = "from"
"""Key of a step's YAML file, or files, of differences."""
OWN = ("tracking",)
"""Sections that the pipeline gives to each job."""
UNKNOWN = "unknown"
"""Stands for places that only a run knows."""


@dataclass(frozen=True)
class PromoteConfig:
    """Moves an alias to the model that a finetuning step registered."""

    to: str = "champion"
    gates: GatesConfig = field(default_factory=GatesConfig)


@dataclass(frozen=True)
class PipelineConfig:
    """Steps by name; all of them share one space of names."""

    url: str = MISSING
    """Below it every step keeps its result, local or s3://."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    pack: dict[str, Any] = field(default_factory=dict)
    pretrain: dict[str, Any] = field(default_factory=dict)
    finetune: dict[str, Any] = field(default_factory=dict)
    promote: dict[str, PromoteConfig] = field(default_factory=dict)
    """By the name of the finetuning step."""


@dataclass(frozen=True)
class Step:
    """One job of a pipeline."""

    name: str
    kind: str
    content: Mapping[str, Any]
    """What the pipeline says of the job's config, with references."""

    @property
    def needs(self) -> list[str]:
        """Names of the steps whose results it reads."""
        return sorted(set(_references(self.content)))

    def job(self, outputs: Mapping[str, str], tracking: TrackingConfig, url: str = UNKNOWN) -> Any:
        """The job's resolved config.

        Args:
            outputs: what each needed step gives.
            tracking: of the pipeline; its `name` becomes the step's.
            url: where the job keeps its result.

        Raises:
            ConfigError: the job has no such key, or refuses a value.
        """
        content = copy.deepcopy(_resolved(self.content, outputs))
        files = content.pop(FROM, [])
        section, key = place_of(content, self.kind)
        section[key] = url
        if self.kind != "pack":
            content["tracking"] = to_dict(replace(tracking, name=self.name))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(content, file)
            file.flush()
            paths = [Path(path) for path in ([files] if isinstance(files, str) else files)]
            if lacking := [str(path) for path in paths if not path.is_file()]:
                raise ConfigError(f"step {self.name}: no config file {lacking} here ({Path.cwd()})")
            try:
                return load(KINDS[self.kind].schema, Request((*paths, Path(file.name)), (), print_only=False))
            except ConfigError as error:
                raise ConfigError(f"step {self.name}: {error}") from error


def steps_of(config: PipelineConfig) -> dict[str, Step]:
    """The jobs by name, each after all that it needs.

    Raises:
        ConfigError: a name is there twice, a reference leads nowhere or in a circle, or a job's config is
            wrong.
    """
    given: dict[str, Step] = {}
    for kind in KINDS:
        for name, content in getattr(config, kind).items():
            if name in given:
                raise ConfigError(
                    f"step {name} is there twice, as {given[name].kind} and as {kind}; rename one"
                )
            if not isinstance(content, Mapping):
                raise ConfigError(
                    f"step {name}: a mapping of the {kind} job's keys wanted, found {content!r}"
                )
            given[name] = Step(name, kind, content)
    for step in given.values():
        _refuse_wrong(step, given, config.tracking)
    for name in config.promote:
        if name not in given or given[name].kind != "finetune":
            raise ConfigError(
                f"promote.{name}: no finetuning step of this name; known: {list(config.finetune)}"
            )
        if not given[name].content.get("register", {}).get("name"):
            raise ConfigError(f"promote.{name}: the step registers no model; give it register.name")
    return {name: given[name] for name in _in_order(given)}


def _refuse_wrong(step: Step, given: Mapping[str, Step], tracking: TrackingConfig) -> None:
    if unknown := [name for name in step.needs if name not in given]:
        raise ConfigError(f"step {step.name} reads {unknown}, which are no steps; known: {list(given)}")
    section, key = place_of(copy.deepcopy(dict(step.content)), step.kind)
    if taken := [name for name in OWN if name in step.content] + ([key] if key in section else []):
        raise ConfigError(f"step {step.name}: {taken} are the pipeline's to give; leave them out")
    step.job(dict.fromkeys(step.needs, UNKNOWN), tracking)


def _in_order(given: Mapping[str, Step]) -> Iterator[str]:
    waiting, placed = list(given), set[str]()
    while waiting:
        ready = [name for name in waiting if placed.issuperset(given[name].needs)]
        if not ready:
            raise ConfigError(f"steps {waiting} need each other in a circle")
        yield from ready
        placed.update(ready)
        waiting = [name for name in waiting if name not in placed]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(REFERENCE):
        yield value.removeprefix(REFERENCE)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _references(part)


def _resolved(value: Any, outputs: Mapping[str, str]) -> Any:
    if isinstance(value, str) and value.startswith(REFERENCE):
        return outputs[value.removeprefix(REFERENCE)]
    if isinstance(value, Mapping):
        return {key: _resolved(part, outputs) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(part, outputs) for part in value]
    return value
