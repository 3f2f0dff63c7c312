"""Audit: how well a linear classifier tells who it is from an encoder's features of any shard set.

The probe is `pretrain.metrics.identity`: fitted on each person's first video, scored on the others.
"""

from collections.abc import Mapping

from finetune.audits.result import Audit, Number
from pretrain.config import ConfigError
from pretrain.metrics.identity import tell_people
from pretrain.models.encoder import FrameEncoder
from pretrain.sampled import encode_with, read_sampled, spread_frames
from shards.tracks import TrackSet


def audit_identity(tracks: TrackSet, encoders: Mapping[str, FrameEncoder], frames: int) -> Audit:
    """Probe encoders, by name, on about `frames` frames, evenly spread over the set's videos.

    Raises:
        ConfigError: fewer than two people have two videos.
        ShardError: the set cannot be read.
    """
    per_video = max(2, frames // len(set(tracks.videos)))
    sampled = read_sampled(tracks, spread_frames(tracks, range(len(tracks)), per_video))
    numbers, verdicts = [], []
    people = 0
    for name, encoder in encoders.items():
        score = tell_people(encode_with(encoder, sampled), sampled.person_F, sampled.video_F)
        if score is None:
            raise ConfigError(
                f"{tracks.url}: fewer than two people have two videos, and a person is told across videos; "
                "give a set with several videos of a person"
            )
        people, times = score.people, score.value / score.chance
        numbers.append(Number(name, score.value, score.interval))
        above = score.interval.low > score.chance
        said = "above chance" if above else "not shown to be above chance"
        verdicts.append(f"{name} tells people {times:.1f} times as well as chance ({said})")
    return Audit(
        kind="identity",
        about=(
            f"Share of frames whose person a linear classifier tells, in videos that it was not fitted on: "
            f"{len(sampled)} frames of {people} people with several videos in {tracks.url}."
        ),
        numbers=(*numbers, Number("chance", 1.0 / people)),
        lines=(),
        verdict=f"{'; '.join(verdicts)}.",
    )
