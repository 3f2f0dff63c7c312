"""From a finished run's jobs, storage and tracking server to the sections of its report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from finetune.audits.result import Audit
from finetune.claims import au_claims, measured_claims, readout_claims, score_claims
from finetune.clip import ClipResult, read_clip
from finetune.initial import RANDOM
from finetune.look_alikes import LookAlikes, look_alikes
from finetune.pages.audits import audits_section
from finetune.pages.claims import claims_section
from finetune.pages.clip import clip_section
from finetune.pages.curves import curves_section
from finetune.pages.durations import durations_section
from finetune.pages.flow import flow_section
from finetune.pages.markup import Section
from finetune.pages.neighbours import attention_section, neighbours_section
from finetune.pages.people import people_section
from finetune.pages.readout import readout_section
from finetune.pages.scores import jobs_section, scores_section
from finetune.predicted_sections import predicted_sections
from finetune.readout_study import ReadoutStudy, Rows, frozen_rows, study_readout, weights_seed
from finetune.run_facts import (
    PretrainRun,
    constant_feature_losses,
    open_pretrain_run,
    registered,
    set_facts,
)
from finetune.studies import (
    NeighbourStudy,
    frozen_encoders,
    sample_unlabelled,
    study_attention,
    study_identity,
    study_neighbours,
)
from finetune.tables import ScoreTable
from finetune.views import first_clip
from pretrain.metrics.identity import IdentityScore
from pretrain.sampled import encode_with
from shards.tracks import TrackSet, load_tracks

MEMORY = ("memory", "identity_K")
"""Kind and name of the people in the memory, in a checkpoint."""
CLIP_AUS = 4


@dataclass(frozen=True)
class Sources:
    """What a report is made from; the jobs are needed, the rest adds sections."""

    jobs: list[tuple[Path, dict[str, Any]]]
    """Folder and content of each job's result."""
    stages: list[dict[str, Any]] = field(default_factory=list)
    labelled_url: str = ""
    unlabelled_url: str = ""
    pretrain_url: str = ""
    rival_urls: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    alias: str = "candidate"
    clip: Path | None = None
    clip_tables: list[Path] = field(default_factory=list)
    clip_source: str = ""
    audits: list[Audit] = field(default_factory=list)

    @property
    def results(self) -> list[dict[str, Any]]:
        return [result for _, result in self.jobs]

    @property
    def aus(self) -> set[int]:
        """Of all jobs."""
        return {au for result in self.results for au in result["aus"]}

    @property
    def generated(self) -> bool:
        return any(result["data"]["generated"] for result in self.results)


def make_sections(
    sources: Sources, tables: Sequence[ScoreTable], job_stages: Sequence[dict[str, Any]], caption: str
) -> list[Section]:
    """All sections that the sources allow, in the order of the page.

    Raises:
        ConfigError: a source is not what it is given as.
        ShardError: a set cannot be read.
    """
    run = open_pretrain_run(sources.pretrain_url) if sources.pretrain_url else None
    labelled = load_tracks(sources.labelled_url) if sources.labelled_url else None
    unlabelled = load_tracks(sources.unlabelled_url) if sources.unlabelled_url else None
    alike = look_alikes(sources.aus) if sources.generated else LookAlikes()
    clip = _read_clip(sources, labelled)
    measured = _measured(sources, run, labelled, unlabelled)
    claims = [
        *score_claims(tables),
        *readout_claims(measured.readout),
        *measured_claims(measured.neighbours, measured.identity),
    ]
    of_aus = [
        claim for table in tables if "auc" in table.scores for claim in au_claims(table, "auc", alike.aus)
    ]
    return [
        _flow(sources, run, labelled, unlabelled, clip),
        claims_section(claims, of_aus, alike.line, sources.generated),
        *_curves(run),
        *(part for table in tables for part in _of_kind(table, sources, labelled, caption, alike)),
        *measured.sections,
        *_clip(sources, clip),
        *([audits_section(sources.audits)] if sources.audits else []),
        durations_section(sources.stages, job_stages),
        jobs_section(sources.results),
    ]


def _of_kind(
    table: ScoreTable, sources: Sources, labelled: TrackSet | None, caption: str, alike: LookAlikes
) -> list[Section]:
    scores = scores_section(table, caption, alike.line)
    return [scores, *predicted_sections(table, sources.jobs, labelled)]


def _flow(
    sources: Sources,
    run: PretrainRun | None,
    labelled: TrackSet | None,
    unlabelled: TrackSet | None,
    clip: ClipResult | None,
) -> Section:
    sets = [set_facts(tracks.manifest) for tracks in (unlabelled, labelled) if tracks is not None]
    views = (
        first_clip(unlabelled, run.reader.facts["order"], run.config)
        if run is not None and unlabelled is not None
        else None
    )
    models = registered(sources.models, sources.alias) if sources.models else []
    return flow_section(sets, run, sources.results, models, sources.stages, views, clip)


def _curves(run: PretrainRun | None) -> list[Section]:
    if run is None:
        return []
    levels = constant_feature_losses(run.objective)
    return [curves_section(run, levels, _memory_slots(run))]


def _memory_slots(run: PretrainRun) -> int | None:
    """None for an objective without a memory."""
    if MEMORY not in run.reader.names():
        return None
    return run.reader.read(*MEMORY).numel()


@dataclass(frozen=True)
class _Measured:
    """What was measured on frames here, and its sections."""

    sections: list[Section] = field(default_factory=list)
    readout: ReadoutStudy | None = None
    neighbours: NeighbourStudy | None = None
    identity: dict[str, IdentityScore] = field(default_factory=dict)


def _measured(
    sources: Sources, run: PretrainRun | None, labelled: TrackSet | None, unlabelled: TrackSet | None
) -> _Measured:
    any_set = labelled or unlabelled
    if any_set is None:
        return _Measured()
    result = sources.results[0]
    encoders = frozen_encoders(sources.results, any_set.manifest.recipe_digest)
    rows: Rows = {name: partial(encode_with, encoder) for name, encoder in encoders.items()}
    frames = sample_unlabelled(unlabelled) if unlabelled is not None else None
    if run is not None and frames is not None:
        urls = sources.pretrain_url, sources.rival_urls
        rows = frozen_rows(run, *urls, frames, weights_seed(result))
    sections = []
    readout = study_readout(labelled, result, rows) if labelled and rows else None
    if readout is not None:
        sections.append(readout_section(readout))
    neighbours = study_neighbours(labelled, result, encoders) if labelled and encoders else None
    if neighbours is not None:
        sections.append(neighbours_section(neighbours))
    identity = {}
    if frames is not None:
        if run is not None:
            attention = study_attention(frames, run, encoders.get("pretrained"))
            sections += [] if attention is None else [attention_section(attention)]
        identity = study_identity(frames, rows)
        if identity:
            sections.append(people_section(identity, len(frames)))
    return _Measured(sections, readout, neighbours, identity)


def _read_clip(sources: Sources, labelled: TrackSet | None) -> ClipResult | None:
    if sources.clip is None or labelled is None or not sources.clip_tables:
        return None
    return read_clip(sources.clip, sources.clip_tables, labelled.manifest.recipe, CLIP_AUS)


def _clip(sources: Sources, found: ClipResult | None) -> list[Section]:
    if found is None:
        return []
    thresholds = {
        au: float(value)
        for result in sources.results
        if result["kind"] == "detection" and result["init"]["init"] != RANDOM and "thresholds" in result
        for au, value in zip(result["aus"], result["thresholds"], strict=True)
    }
    return [clip_section(found, sources.clip_source, thresholds, sources.generated)]
