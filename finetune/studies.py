"""What the report measures on frames of the run: neighbours across people, attention, identity.

Axes: F frames, K neighbours, A AUs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.attention import Picked, attend, momentum_projection
from finetune.initial import RANDOM, initial_encoder
from finetune.labelled import read_labelled
from finetune.neighbours import Agreement, agreement, chance, nearest_of_others, queries
from finetune.readout_study import Rows, weights_seed
from finetune.run_facts import PretrainRun
from pretrain.metrics.identity import IdentityScore, tell_people
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.sampled import SampledFrames, encode_frames, encode_with, read_sampled, spread_frames
from shards.tracks import TrackSet

LABELLED_FRAMES, UNLABELLED_FRAMES = 360, 1200
"""Frames that are encoded, over all videos: seconds on a CPU."""
NEIGHBOURS, PICKED, QUERIES = 3, 4, 4
Encoders = Mapping[str, FrameEncoder]


@dataclass(frozen=True)
class NeighbourStudy:
    """Frames of tested people, their AUs, and for each encoder who their neighbours are."""

    frames: SampledFrames
    aus: tuple[int, ...]
    label_FA: NDArray[np.int8]
    order_FK: Mapping[str, NDArray[np.int64]]
    agreement: Mapping[str, Agreement]
    chance: Agreement
    query: list[int]


@dataclass(frozen=True)
class AttentionStudy:
    """Frames of the pretraining set and whom each query attends to."""

    frames: SampledFrames
    picked: Picked
    query: list[int]
    temperature: float
    projected: bool
    """Encoded by the checkpoint's momentum encoder and head; otherwise by the exported encoder."""


def frozen_encoders(results: Sequence[Mapping[str, Any]], recipe_digest: str) -> dict[str, FrameEncoder]:
    """The encoders that the jobs started from, by `init`; random weights by the job's own seed.

    Raises:
        ConfigError: the exported encoder is not where the job found it.
    """
    found: dict[str, FrameEncoder] = {}
    for result in sorted(results, key=lambda result: str(result["init"]["init"])):
        start = str(result["init"]["init"])
        if start not in found and "config" in result:
            torch.manual_seed(weights_seed(result))
            config = EncoderConfig(**result["config"]["encoder"])
            source = str(result["init"]["source"]) if start == "pretrained" else RANDOM
            found[start] = initial_encoder(source, config, recipe_digest)[0].eval()
    return found


def study_neighbours(
    tracks: TrackSet, result: Mapping[str, Any], encoders: Encoders
) -> NeighbourStudy | None:
    """Neighbours among a job's tested people; None where no tested frame shows an AU."""
    labelled = read_labelled(tracks, result["people"]["test"], result["protocol"]["name"], LABELLED_FRAMES)
    frames, label_FA = labelled.frames, labelled.label_FA
    by_chance = chance(label_FA, frames.person_F)
    if len(set(frames.person_F)) < 2 or not len(by_chance.mean_P):
        return None
    order = {
        name: nearest_of_others(encode_with(encoder, frames), frames.person_F, NEIGHBOURS)
        for name, encoder in encoders.items()
    }
    return NeighbourStudy(
        frames=frames,
        aus=labelled.aus,
        label_FA=label_FA,
        order_FK=order,
        agreement={name: agreement(label_FA, frames.person_F, order_FK) for name, order_FK in order.items()},
        chance=by_chance,
        query=queries(label_FA, frames.person_F, QUERIES),
    )


def sample_unlabelled(tracks: TrackSet) -> SampledFrames:
    """Frames of all videos of a set, evenly spread."""
    per_video = max(2, UNLABELLED_FRAMES // len(set(tracks.videos)))
    return read_sampled(tracks, spread_frames(tracks, range(len(tracks)), per_video))


def study_attention(
    frames: SampledFrames, run: PretrainRun, exported: FrameEncoder | None
) -> AttentionStudy | None:
    """Repeat CLP's look-up over `frames`; None for an objective without attention, or without an encoder."""
    settings = run.objective
    if not {"dim", "tau_attention"} <= set(settings):
        return None
    config = EncoderConfig(**run.config["encoder"])
    projection = momentum_projection(run.reader, config, int(settings["dim"]))
    if projection is not None:
        apply, image_size = projection
        vectors_FD = encode_frames(apply, frames, image_size)
    elif exported is not None:
        vectors_FD = encode_with(exported, frames)
    else:
        return None
    temperature = float(settings["tau_attention"])
    picked = attend(vectors_FD, frames.person_F, temperature, PICKED)
    return AttentionStudy(frames, picked, _middle_frames(frames), temperature, projection is not None)


def study_identity(frames: SampledFrames, rows: Rows) -> dict[str, IdentityScore]:
    """How well each row's features tell people; empty where no two people have two videos."""
    scores = {
        name: tell_people(features_of(frames), frames.person_F, frames.video_F)
        for name, features_of in rows.items()
    }
    return {name: score for name, score in scores.items() if score is not None}


def _middle_frames(frames: SampledFrames) -> list[int]:
    """The middle sampled frame of QUERIES evenly spaced people."""
    people = sorted(set(frames.person_F))
    chosen = np.linspace(0, len(people) - 1, min(QUERIES, len(people))).round().astype(int)
    names = np.asarray(frames.person_F)
    of_people = [np.flatnonzero(names == people[place]) for place in chosen]
    return [int(places[len(places) // 2]) for places in of_people]
