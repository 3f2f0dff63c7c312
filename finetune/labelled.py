"""Frames of a protocol's people with the intensities that it asks for."""

from collections.abc import Iterable

from finetune.protocols import PROTOCOLS
from finetune.targets import make_target
from pretrain.labels import LabelledFrames, read_labelled_frames
from shards.tracks import TrackSet


def read_labelled(tracks: TrackSet, people: Iterable[str], protocol: str, count: int) -> LabelledFrames:
    """About `count` frames of people, evenly spread over their videos; at least two of each video."""
    target = make_target("intensity", PROTOCOLS[protocol], tracks.manifest)
    rows = [int(row) for row in tracks.rows_of(set(people))]
    coded = read_labelled_frames(tracks, rows, target.member, count)
    return LabelledFrames(coded.frames, target.aus, target.convert(coded.label_FA))
