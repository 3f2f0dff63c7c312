"""What a task learns from a shard set's labels: which AUs or expressions, from where, as which values.

Axes: B clips, T frames, N rows, A label columns (an AU each; one for all expressions), M AUs of the label
member, K expressions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.protocols.protocol import Kind, Protocol
from pretrain.config import ConfigError
from pretrain.labels import Labels, read_member
from shards.batch import ClipBatch
from shards.errors import ShardError
from shards.schema import INTENSITY_MEMBER, MISSING, OCCURRENCE_MEMBER, Manifest
from shards.tracks import TrackSet


@dataclass(frozen=True)
class Target:
    """The labels of one task, -1 where nobody gave one.

    Detection and intensity have a column for each AU: 0/1, and 0..5. Expression has a single column, the
    place in `expressions` of what the frame shows; -1 too for an expression that the protocol leaves out.
    """

    kind: Kind
    aus: tuple[int, ...] = ()
    """None for expressions."""
    expressions: tuple[str, ...] = ()
    """None for AUs."""
    member: str = ""
    """Of the samples, where AU labels are; expressions are in the index."""
    columns: tuple[int, ...] = ()
    present_from: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What each value of a prediction is of: `AU12`, or an expression."""
        return self.expressions or tuple(f"AU{au}" for au in self.aus)

    def convert(self, raw_TM: Labels) -> Labels:
        """Task labels `(..., A)` of a label member's values `(..., M)`; for AUs."""
        chosen_TA = raw_TM[..., list(self.columns)]
        if self.present_from is None:
            return chosen_TA
        return np.where(chosen_TA == MISSING, MISSING, chosen_TA >= self.present_from).astype(np.int8)

    def expression_index(self, expression: str | None) -> int:
        """The class of an expression's name, -1 where it is none of the protocol's."""
        return self.expressions.index(expression) if expression in self.expressions else MISSING

    def of_batch(self, clips: ClipBatch) -> Labels:
        """Task labels `(B, T, A)` of a batch; -1 in slots that hold no frame."""
        if self.kind == "expression":
            index_B = np.array([self.expression_index(name) for name in clips.expression_B], np.int8)
            return np.where(clips.frame_valid_BT, index_B[:, None], MISSING).astype(np.int8)[..., None]
        raw_BTM = clips.occurrence_BTA if self.member == OCCURRENCE_MEMBER else clips.intensity_BTA
        if raw_BTM is None:
            raise ShardError(f"the set has no labels {self.member!r}, which this task learns from")
        return self.convert(raw_BTM)

    def labelled(self, tracks: TrackSet) -> NDArray[np.bool_]:
        """`(N,)` which rows have such labels."""
        if self.kind == "expression":
            return np.array([name in self.expressions for name in tracks.expressions], np.bool_)
        return tracks.labelled(self.member)


def kind_of(protocol: Protocol, learnable: tuple[Kind, ...]) -> Kind:
    """What a task learns under a protocol: the first of its kinds of labels that the protocol has.

    Raises:
        ConfigError: the protocol has none of them.
    """
    for kind in learnable:
        if protocol.has(kind):
            return kind
    raise ConfigError(
        f"protocol {protocol.name!r} has no labels of {' or '.join(learnable)}, which the task learns from; "
        "choose another protocol.name or another task"
    )


def make_target(kind: Kind, protocol: Protocol, manifest: Manifest) -> Target:
    """Find a protocol's AUs or expressions in a shard set.

    Raises:
        ConfigError: the set does not code one of them.
    """
    if kind == "expression":
        return _expression_target(protocol, manifest)
    aus = protocol.aus(kind)
    from_occurrence = kind == "detection" and protocol.present_from is None
    coded = manifest.occurrence_aus if from_occurrence else manifest.intensity_aus
    lacking = [au for au in aus if au not in coded]
    if lacking:
        raise ConfigError(
            f"protocol {protocol.name!r} needs {kind} of AUs {list(aus)}; the set codes "
            f"{'occurrence' if from_occurrence else 'intensity'} of {coded}, so {lacking} are missing; "
            "pack the labelled layout that the protocol belongs to"
        )
    return Target(
        kind=kind,
        aus=aus,
        member=OCCURRENCE_MEMBER if from_occurrence else INTENSITY_MEMBER,
        columns=tuple(coded.index(au) for au in aus),
        present_from=protocol.present_from if kind == "detection" and not from_occurrence else None,
    )


def _expression_target(protocol: Protocol, manifest: Manifest) -> Target:
    lacking = [name for name in protocol.expression if name not in manifest.expressions]
    if lacking:
        raise ConfigError(
            f"protocol {protocol.name!r} needs expressions {list(protocol.expression)}; the set has "
            f"{manifest.expressions}, so {lacking} are missing; pack the labelled layout that the protocol "
            "belongs to"
        )
    return Target(kind="expression", expressions=protocol.expression)


def read_labels(tracks: TrackSet, rows: Iterable[int], target: Target, threads: int = 4) -> dict[int, Labels]:
    """Task labels `(frames, A)` of each row that has any; reads no pixels.

    Raises:
        ShardError: a label member cannot be read or does not match its CRC.
    """
    if target.kind == "expression":
        index_N = [target.expression_index(name) for name in tracks.expressions]
        return {
            row: np.full((int(tracks.num_frames[row]), 1), index_N[row], np.int8)
            for row in map(int, rows)
            if index_N[row] != MISSING
        }
    stored = read_member(tracks, rows, target.member, threads)
    return {row: target.convert(raw_TM) for row, raw_TM in stored.items()}


def positive_rates(labels: dict[int, Labels], target: Target) -> NDArray[np.float64]:
    """Share of coded frames in which each AU is present `(A,)`.

    Raises:
        ConfigError: an AU is present in no training frame or in all of them: nothing can be learned.
    """
    pooled_FA = np.concatenate(list(labels.values()))
    coded_A = (pooled_FA >= 0).sum(axis=0)
    rate_A = (pooled_FA == 1).sum(axis=0) / np.maximum(coded_A, 1)
    for au, rate in zip(target.aus, rate_A, strict=True):
        if not 0 < rate < 1:
            raise ConfigError(
                f"AU{au} is present in {rate:.0%} of the {len(pooled_FA)} training frames; "
                "both classes are needed: use more people or longer videos"
            )
    return np.asarray(rate_A, np.float64)


def class_rates(labels: dict[int, Labels], target: Target) -> NDArray[np.float64]:
    """Share of the labelled frames that show each expression `(K,)`; sums to 1.

    Raises:
        ConfigError: an expression is in no training frame: it could not be learned.
    """
    index_F = np.concatenate(list(labels.values()))[:, 0].astype(np.int64)
    count_K = np.bincount(index_F[index_F >= 0], minlength=len(target.expressions))
    lacking = [name for name, count in zip(target.expressions, count_K, strict=True) if not count]
    if lacking:
        raise ConfigError(
            f"no training frame of {len(index_F)} shows {', '.join(lacking)}; every expression of the "
            "protocol is needed: use more pictures"
        )
    return np.asarray(count_K / count_K.sum(), np.float64)


def au_weights(rate_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """w_k = (1 / r_k) * A / sum_l (1 / r_l): rare AUs, or expressions, weigh more; the weights sum to A."""
    inverse_A = 1.0 / rate_A
    return np.asarray(inverse_A * len(rate_A) / inverse_A.sum(), np.float64)
