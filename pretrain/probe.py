"""Watching a run: what a linear readout of its frozen encoder tells of AUs, and of people.

`probe/au_r` is how well AUs are read out of the features of people that the readout has not seen:

    au_r = mean over AUs and over the two halves of people of r(label, prediction)

where a half's predictions come from a ridge regression on the other half, and r is Pearson's over the half's
frames, as `metrics.intensity` has it. Within halves: two regressions differ in their level, and pooling their
predictions would add that to r.

`probe/identity` is `metrics.identity`: how well people are told apart across their videos. What is learned of
behaviour should raise the first and not the second.

Axes: F frames, D features, A AUs.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from pretrain.config import MISSING, ConfigError
from pretrain.labels import LabelledFrames, Labels, read_labelled_frames
from pretrain.metrics.identity import tell_people
from pretrain.metrics.intensity import intensity_sums, pcc
from pretrain.metrics.people import Floats
from pretrain.metrics.ridge import Ridge
from pretrain.models.encoder import FrameEncoder
from pretrain.sampled import encode_with
from pretrain.world import World
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER
from shards.tracks import TrackSet, load_tracks

PROBED = AU_R, IDENTITY = "probe/au_r", "probe/identity"
STRENGTH = 0.3
"""Of the ridge. Fixed, as no people are left to choose it on, and as values of a run compare only where they
are measured alike. Of seven from 0.001 to 10 it alone stayed within 6 % of the best r, over pixels'
components and a random encoder's features of generated faces; 1 lost up to 17 %."""
LEAST_PEOPLE = 2


@dataclass(frozen=True)
class ProbeConfig:
    """A held-out labelled set on which a run is watched; changes nothing of what is learned."""

    url: str = MISSING
    """Shard set with AU labels, local or s3://, none of the sets that are trained on; any crop size."""
    every: int = 1000
    """Steps; before the first step and after the last one too. A checkpoint keeps the newest values."""
    frames: int = 2000
    """About so many, spread over all labelled videos, are read once and stay in rank 0's memory."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.frames < LEAST_PEOPLE:
            raise ValueError(f"probe needs every >= 1 and frames >= {LEAST_PEOPLE}, found {self}")


def open_held_out(config: ProbeConfig, trained: Sequence[TrackSet]) -> tuple[TrackSet, str]:
    """The probe's set and the member name of its labels: intensities, or occurrence where there are none.

    Raises:
        ConfigError: the set is trained on, cropped in another way, or has no labels of two people.
        ShardError: it cannot be read.
    """
    tracks = load_tracks(config.url)
    crop = tracks.manifest.recipe
    for other in trained:
        if other.digest == tracks.digest:
            raise ConfigError(
                f"probe.url={config.url} is a set that is trained on, {other.url}; give one of other people"
            )
        wanted = other.manifest.recipe
        if (crop.name, crop.version) != (wanted.name, wanted.version):
            raise ConfigError(
                f"probe.url={config.url} has crops {crop.name!r} version {crop.version}, and {other.url} "
                f"{wanted.name!r} version {wanted.version}; pack both alike, in any size"
            )
    for member in (INTENSITY_MEMBER, OCCURRENCE_MEMBER):
        if tracks.aus_of(member):
            people = {tracks.identities[row] for row in np.flatnonzero(tracks.labelled(member))}
            _refuse_few(config, len(people), "with AU labels")
            return tracks, member
    raise ConfigError(
        f"probe.url={config.url} has no AU labels, found layout {tracks.manifest.layout!r}; give a set "
        "packed in a layout with intensity or occurrence, or leave `probe` out"
    )


def _refuse_few(config: ProbeConfig, people: int, what: str) -> None:
    if people < LEAST_PEOPLE:
        raise ConfigError(
            f"probe.url={config.url} shows {people} people {what}; at least {LEAST_PEOPLE} are needed, as "
            "each half of them is predicted from the other. Pack more people or leave `probe` out"
        )


def second_half(person_F: Sequence[str]) -> NDArray[np.bool_]:
    """Frames of every second person in order of names: names that begin with a group spread over halves."""
    return np.asarray(np.unique(np.asarray(person_F), return_inverse=True)[1] % 2 == 1)


def au_r(feature_FD: Floats, label_FA: Labels, person_F: Sequence[str]) -> float:
    """Mean correlation of labels and predictions on people who were not fitted; see the file's head.

    Args:
        feature_FD: finite.
        label_FA: intensities 0-5 or occurrence 0/1, all coded, each AU with a variance in both halves.
        person_F: of at least two people.
    """
    second_F, people = second_half(person_F), np.asarray(person_F)
    r_HA = []
    for tested_F in (second_F, ~second_F):
        predict = Ridge(feature_FD[~tested_F]).fit_at(STRENGTH, label_FA[~tested_F])
        predicted_FA = predict(feature_FD[tested_F])
        r_HA.append(pcc(intensity_sums(predicted_FA, label_FA[tested_F], people[tested_F].tolist())))
    return float(np.mean(r_HA))


def probe_values(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of a probe among metrics."""
    return {name: metrics[name] for name in PROBED if name in metrics}


class Probe:
    """Measures encoders on the same frames. All ranks call it; rank 0 reads and computes."""

    def __init__(self, config: ProbeConfig, trained: Sequence[TrackSet], world: World, device: torch.device):
        self.config, self._trained, self._world, self._device = config, trained, world, device

    def __call__(self, encoder: FrameEncoder | None) -> dict[str, float]:
        """`probe/au_r`, and `probe/identity` where two people have two videos; the same on every rank.

        Args:
            encoder: a copy of the trained one on rank 0, which is moved to the device; None elsewhere.

        Returns:
            NaN where a feature is not finite.

        Raises:
            ConfigError: too few people have frames whose every AU is coded, or no AU changes.
            ShardError: no frame could be read.
        """
        values = None if encoder is None else self._measure(encoder.to(self._device).eval())
        told: dict[str, float] = self._world.broadcast(values)
        return told

    def _measure(self, encoder: FrameEncoder) -> dict[str, float]:
        frames = self.labelled.frames
        feature_FD = encode_with(encoder, frames)
        if not np.isfinite(feature_FD).all():
            return {AU_R: float("nan")}
        values = {AU_R: au_r(feature_FD, self.labelled.label_FA, frames.person_F)}
        told = tell_people(feature_FD, frames.person_F, frames.video_F)
        return values if told is None else {**values, IDENTITY: told.value}

    @cached_property
    def labelled(self) -> LabelledFrames:
        """The frames, every AU coded, with the AUs that change in both halves of the people."""
        tracks, member = open_held_out(self.config, self._trained)
        read = read_labelled_frames(tracks, range(len(tracks)), member, self.config.frames)
        coded_A = (read.label_FA >= 0).any(axis=0)
        # A regression of all AUs at once needs them all.
        kept = read.only(np.flatnonzero((read.label_FA[:, coded_A] >= 0).all(axis=1)))
        people = set(kept.frames.person_F)
        _refuse_few(self.config, len(people), f"in {len(kept.frames)} frames whose every AU is coded")
        second_F = second_half(kept.frames.person_F)
        changes_A = coded_A.copy()
        for half_F in (second_F, ~second_F):
            changes_A &= (kept.label_FA[half_F] != kept.label_FA[half_F][0]).any(axis=0)
        if not changes_A.any():
            raise ConfigError(
                f"probe.url={self.config.url}: no AU changes in both halves of {len(people)} people, found "
                f"AUs {list(read.aus)}; raise probe.frames={self.config.frames} or pack more people"
            )
        aus, label_FA = np.asarray(read.aus), kept.label_FA[:, changes_A]
        self._say(len(read.frames), kept, aus[changes_A].tolist(), aus[~changes_A].tolist())
        return LabelledFrames(kept.frames, tuple(aus[changes_A].tolist()), label_FA)

    def _say(self, num_read: int, kept: LabelledFrames, aus: list[int], left_out: list[int]) -> None:
        line = f"probe: {len(kept.frames)} frames of {len(set(kept.frames.person_F))} people, AUs {aus}"
        if num_read > len(kept.frames):
            line += f"; left out {num_read - len(kept.frames)} frames with an AU that nobody coded"
        if left_out:
            line += f"; left out AUs {left_out}, which do not change in both halves of the people"
        sys.stderr.write(f"{line}\n")
