"""Labelled shard sets cut into a fold: who trains, validates and is tested, and on which labels."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from finetune.frames import Apply, FrameTable, run_frames
from finetune.protocols.fold import Fold, make_fold
from finetune.protocols.protocol import Kind, Protocol
from finetune.protocols.registry import ProtocolConfig
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
    test_url: str = ""
    """The tested people's set, of a protocol across two data sets."""
    generated: bool = False
    """The faces were made by `python -m shards generate`; reports then say so in every caption."""
    stream: StreamConfig = field(default_factory=StreamConfig)


@dataclass(frozen=True)
class Group:
    """The labelled rows of some people, and the set that they are rows of."""

    tracks: TrackSet
    rows: list[int]
    target: Target
    stream: StreamConfig

    @property
    def num_frames(self) -> int:
        """Frames of all rows."""
        return int(self.tracks.num_frames[self.rows].sum())

    def run(self, apply: Apply, image_size: int) -> FrameTable:
        """Apply a model to every frame once; see `run_frames`."""
        return run_frames(
            apply, self.tracks, self.rows, self.target, image_size=image_size, stream=self.stream
        )


@dataclass(frozen=True)
class FoldData:
    """What a task trains and is judged on. Rows are those of a group's set that have labels."""

    fold: Fold
    fold_line: str
    train: Group
    validation: Group
    test: Group
    train_labels: dict[int, Labels]

    @property
    def groups(self) -> dict[str, Group]:
        """The three by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def tracks(self) -> TrackSet:
        """The set that trains."""
        return self.train.tracks

    @property
    def target(self) -> Target:
        """What is learned; of the tested set only `columns` may differ."""
        return self.train.target

    @property
    def stream(self) -> StreamConfig:
        """How both sets are read."""
        return self.train.stream

    @property
    def train_rows(self) -> list[int]:
        """Rows of `tracks`."""
        return self.train.rows


def open_everyone(data: DataConfig, protocol: ProtocolConfig, kind: Kind) -> Group:
    """All labelled people of a set as one group, whatever part a protocol's folds give them.

    Raises:
        ConfigError: set and protocol do not fit (layout, AUs, expressions).
        ShardError: the set cannot be read.
    """
    agreed = protocol.protocol
    found = _open(data.url, agreed, (*agreed.layouts, *agreed.test_layouts), kind)
    return found.group(tuple(found.videos_of), data.stream)


@dataclass(frozen=True)
class _Labelled:
    """A set, its rows that have labels of the kind that is learned, and who is in them."""

    url: str
    tracks: TrackSet
    target: Target
    rows: list[int]
    videos_of: dict[str, set[str]]

    def group(self, people: tuple[str, ...], stream: StreamConfig) -> Group:
        chosen = set(people)
        rows = [row for row in self.rows if self.tracks.identities[row] in chosen]
        return Group(self.tracks, rows, self.target, stream)


def open_fold(data: DataConfig, protocol: ProtocolConfig, kind: Kind, seed: int) -> FoldData:
    """Open the set, or both, and read the training people's labels.

    Raises:
        ConfigError: sets and protocol do not fit (layout, people, AUs, expressions, crops).
        ShardError: a set cannot be read.
    """
    agreed = protocol.protocol
    if bool(data.test_url) != bool(agreed.test_layouts):
        raise ConfigError(
            f"protocol {agreed.name!r} tests people of {'another set' if agreed.test_layouts else 'data.url'}"
            f", found data.test_url={data.test_url!r}; {'give it' if agreed.test_layouts else 'leave it out'}"
        )
    trained = _open(data.url, agreed, agreed.layouts, kind)
    tested = _open(data.test_url, agreed, agreed.test_layouts, kind) if data.test_url else trained
    if tested is not trained:
        _refuse_unlike(trained, tested)
    fold, line = make_fold(protocol, trained.videos_of, seed, None if tested is trained else tested.videos_of)
    train = trained.group(fold.train, data.stream)
    return FoldData(
        fold=fold,
        fold_line=line,
        train=train,
        validation=trained.group(fold.validation, data.stream),
        test=tested.group(fold.test, data.stream),
        train_labels=read_labels(train.tracks, train.rows, train.target),
    )


def _open(url: str, protocol: Protocol, layouts: tuple[str, ...], kind: Kind) -> _Labelled:
    tracks = load_tracks(url)
    if tracks.manifest.layout not in layouts:
        raise ConfigError(
            f"{url} was packed with the layout {tracks.manifest.layout!r}; protocol {protocol.name!r} wants "
            f"{' or '.join(layouts)}; give another data set or another protocol.name"
        )
    target = make_target(kind, protocol, tracks.manifest)
    rows = [int(row) for row in np.flatnonzero(target.labelled(tracks))]
    if not rows:
        raise ConfigError(f"no sample of {url} has labels of {kind}; pack the set with its label files")
    videos_of: dict[str, set[str]] = {}
    for row in rows:
        videos_of.setdefault(tracks.identities[row], set()).add(tracks.videos[row])
    return _Labelled(url, tracks, target, rows, videos_of)


def _refuse_unlike(trained: _Labelled, tested: _Labelled) -> None:
    one, other = trained.tracks.manifest, tested.tracks.manifest
    if one.namespace == other.namespace:
        raise ConfigError(
            f"{trained.url} and {tested.url} both have the namespace {one.namespace!r}, so that people of "
            "equal names would be one person; pack one of them with another namespace"
        )
    if one.recipe_digest != other.recipe_digest:
        raise ConfigError(
            f"{trained.url} and {tested.url} have faces cropped in different ways, recipe "
            f"{one.recipe_digest[:12]} and {other.recipe_digest[:12]}; pack them alike"
        )


def draw_seed(seed: int, purpose: int) -> int:
    """An independent seed for one purpose of a job."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])
