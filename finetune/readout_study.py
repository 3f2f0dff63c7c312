"""What pretraining gives by itself: the linear readout of a run's encoder beside features that cost less.

Axes: F frames, D features, A AUs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from finetune.data import draw_seed
from finetune.initial import initial_encoder
from finetune.labelled import read_labelled
from finetune.readout import LabelledFeatures, Readout, read_out
from finetune.run_facts import ENCODER_FOLDER, PretrainRun, export_facts
from finetune.train import WEIGHTS
from finetune.untrained import Floats, PixelComponents, random_encoder
from pretrain.augment import AugmentConfig
from pretrain.labels import LabelledFrames
from pretrain.models.encoder import EncoderConfig
from pretrain.sampled import SampledFrames, encode_with
from shards import storage
from shards.tracks import TrackSet

FRAMES = 2000
"""That are read out, over all labelled videos: seconds for each row on a CPU."""
GROUPS = ("train", "validation", "test")
NAMES = {"clp": "CLP", "simclr": "SimCLR", "moco": "MoCo"}
"""Of objectives, as people write them."""
Rows = Mapping[str, Callable[[SampledFrames], Floats]]
"""Ways to describe frames, by name."""


@dataclass(frozen=True)
class ReadoutStudy:
    """Readouts by row, on frames whose every AU is coded."""

    readouts: Mapping[str, Readout]
    frames: Mapping[str, int]
    people: Mapping[str, int]
    """Both in each of GROUPS."""


def frozen_rows(
    run: PretrainRun, run_url: str, rivals: Sequence[str], unlabelled: SampledFrames, seed: int
) -> Rows:
    """`pretrained`, rival runs by their objective, components of pixels, and `random`.

    Args:
        run: the pretraining run.
        run_url: where it is.
        rivals: urls of other runs on the same set.
        unlabelled: where pixel components and the random encoder's statistics come from.
        seed: of the random weights.

    Raises:
        ConfigError: a run has no exported encoder, or one of other crops.
    """
    config = EncoderConfig(**run.config["encoder"])
    rows: dict[str, Callable[[SampledFrames], Floats]] = {}
    digest = export_facts(run_url)["recipe_digest"]
    for url in (run_url, *rivals):
        objective = str(export_facts(url)["config"]["objective"])
        name = "pretrained" if url == run_url else NAMES.get(objective, objective)
        encoder = initial_encoder(storage.join(url, ENCODER_FOLDER), config, digest)[0].eval()
        rows[name] = partial(encode_with, encoder)
    random = random_encoder(config, AugmentConfig(**run.config["augment"]), unlabelled, seed)
    return {**rows, "PCA of pixels": PixelComponents(unlabelled), "random": partial(encode_with, random)}


def weights_seed(result: Mapping[str, Any]) -> int:
    """Of a job's first weights."""
    return draw_seed(int(result["seed"]), WEIGHTS)


def study_readout(tracks: TrackSet, result: Mapping[str, Any], rows: Rows) -> ReadoutStudy | None:
    """Read intensities out of each row's features, on the people of a job's fold.

    Returns:
        None where a group of people has fewer than two frames whose every AU is coded.
    """
    people, protocol = result["people"], result["protocol"]["name"]
    if any(not people.get(group) for group in GROUPS):
        return None
    share = FRAMES / sum(len(people[group]) for group in GROUPS)
    groups = {}
    for group in GROUPS:
        labelled = read_labelled(tracks, people[group], protocol, round(share * len(people[group])))
        # A readout of all AUs at once needs them all.
        groups[group] = labelled.only(np.flatnonzero((labelled.label_FA >= 0).all(axis=1)))
    if any(len(labelled.frames) < 2 for labelled in groups.values()):
        return None
    return ReadoutStudy(
        readouts={name: _read_out(features_of, groups) for name, features_of in rows.items()},
        frames={group: len(labelled.frames) for group, labelled in groups.items()},
        people={group: len(set(labelled.frames.person_F)) for group, labelled in groups.items()},
    )


def _read_out(
    features_of: Callable[[SampledFrames], Floats], groups: Mapping[str, LabelledFrames]
) -> Readout:
    train, validation, test = (
        LabelledFeatures(features_of(part.frames), part.label_FA, part.frames.person_F)
        for part in (groups[group] for group in GROUPS)
    )
    return read_out(train, validation, test)
