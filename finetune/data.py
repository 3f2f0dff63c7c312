"""A labelled shard set cut into a fold: who trains, validates and is tested, and on which labels."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from finetune.protocols import PROTOCOLS, Fold, Kind, ProtocolConfig, make_fold
from finetune.targets import Target, make_target, read_labels
from pretrain.config import MISSING, ConfigError
from pretrain.labels import Labels
from shards.stream_config import StreamConfig
from shards.tracks import TrackSet, load_tracks

Log = Callable[[dict[str, float], int], None]
"""Metrics of a step, as `Tracker.log`."""


@dataclass(frozen=True)
class DataConfig:
    """Where the labelled shards are and how they are read."""

    url: str = MISSING
    generated: bool = False
    """The faces were made by `python -m shards generate`; reports then say so in every caption."""
    stream: StreamConfig = field(default_factory=StreamConfig)


@dataclass(frozen=True)
class FoldData:
    """What a task trains and is judged on. Rows are those of `tracks` that have labels."""

    tracks: TrackSet
    fold: Fold
    fold_line: str
    target: Target
    train_rows: list[int]
    validation_rows: list[int]
    test_rows: list[int]
    train_labels: dict[int, Labels]
    stream: StreamConfig


def open_fold(data: DataConfig, protocol: ProtocolConfig, kind: Kind, seed: int) -> FoldData:
    """Open the set and read the training people's labels.

    Raises:
        ConfigError: the set and the protocol do not fit (people, AUs), or a group has no labels.
        ShardError: the set cannot be read.
    """
    tracks = load_tracks(data.url)
    fold, line = make_fold(protocol, sorted(set(tracks.identities)), seed)
    target = make_target(kind, PROTOCOLS[protocol.name], tracks.manifest)

    labelled_N = tracks.labelled(target.member)

    def labelled_rows(group: str, people: tuple[str, ...]) -> list[int]:
        rows = [int(row) for row in tracks.rows_of(set(people)) if labelled_N[row]]
        if not rows:
            raise ConfigError(f"the {group} people {list(people)} have no {kind} labels in {data.url}")
        return rows

    train_rows = labelled_rows("training", fold.train)
    return FoldData(
        tracks=tracks,
        fold=fold,
        fold_line=line,
        target=target,
        train_rows=train_rows,
        validation_rows=labelled_rows("validation", fold.validation),
        test_rows=labelled_rows("test", fold.test),
        train_labels=read_labels(tracks, train_rows, target),
        stream=data.stream,
    )


def draw_seed(seed: int, purpose: int) -> int:
    """An independent seed for one purpose of a job."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])
