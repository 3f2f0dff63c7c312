"""Frames of a protocol's people with the intensities, or the presence of AUs, that it asks for."""

from collections.abc import Iterable

from finetune.protocols.protocol import Kind
from finetune.protocols.registry import PROTOCOLS
from finetune.targets import make_target
from pretrain.labels import LabelledFrames, read_labelled_frames
from shards.tracks import TrackSet


def read_labelled(tracks: TrackSet, people: Iterable[str], protocol: str, count: int) -> LabelledFrames:
    """About `count` frames of people, evenly spread over their videos; at least two of each video."""
    return _read("intensity", tracks, people, protocol, count)


def read_presence(tracks: TrackSet, people: Iterable[str], protocol: str, count: int) -> LabelledFrames:
    """As `read_labelled`, with 1 where an AU is present, 0 where it is not."""
    return _read("detection", tracks, people, protocol, count)


def _read(kind: Kind, tracks: TrackSet, people: Iterable[str], protocol: str, count: int) -> LabelledFrames:
    target = make_target(kind, PROTOCOLS[protocol], tracks.manifest)
    rows = [int(row) for row in tracks.rows_of(set(people))]
    coded = read_labelled_frames(tracks, rows, target.member, count)
    return LabelledFrames(coded.frames, target.aus, target.convert(coded.label_FA))
