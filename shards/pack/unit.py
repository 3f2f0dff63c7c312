"""A unit's spools into shards, ledger and index: ordered, uploaded, committed."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shards import storage
from shards.index import IndexRows, UnitSummary
from shards.layouts.layout import Source
from shards.pack.job import PackConfig, cpu_features
from shards.pack.people import bystanders, person_of
from shards.pack.spool import Piece, VideoSpool, room_in, video_hash
from shards.schema import (
    Failure,
    FileEntry,
    failures_name,
    index_name,
)
from shards.write import Sample, ShardWriter


@dataclass(frozen=True)
class UnitJob:
    """All that a worker needs to write one unit whose videos are spooled."""

    unit: str
    config: PackConfig
    sources: list[Source]
    failures: list[Failure]
    facts: dict[str, Any]
    """Of the set, for every sample's json: recipe digest and AU names."""


@dataclass(frozen=True)
class _Video:
    """A spooled video, and which of its tracks show somebody else than the person it is of."""

    source: Source
    spool: VideoSpool
    bystanders: set[int]


def write_unit(job: UnitJob, folder: Path) -> int:
    """Write and upload a unit; the index goes last and commits it. Returns the number of samples.

    Samples stand in the order of a hash of their keys, which mixes people in every shard and depends on
    nothing but the keys.
    """
    config = job.config
    videos: dict[str, _Video] = {}
    failures = list(job.failures)
    order: list[tuple[bytes, str, int]] = []
    for source in job.sources:
        spool = VideoSpool(folder, video_hash(config.set_namespace, source.video_id))
        video = _Video(source, spool, bystanders(piece for _, piece in spool.lines()))
        videos[source.video_id] = video
        for place, piece in spool.lines():
            order.append((hashlib.sha256(piece.key.encode()).digest(), source.video_id, place))
            failures += _unlabelled(video, piece)

    def upload(path: Path, entry: FileEntry) -> None:
        storage.write_file(storage.join(config.url, entry.name), path)
        path.unlink()

    rows = IndexRows()
    with (
        room_in(folder),
        ShardWriter(folder, job.unit, config.max_shard_bytes, config.max_shard_samples, upload) as writer,
    ):
        for _, video_id, place in sorted(order):
            video = videos[video_id]
            rows.add(writer.add(_sample(video, video.spool.piece_at(place), job.facts)))
    ledger = _write_ledger(job, failures)
    content = rows.to_parquet(UnitSummary(writer.shards, ledger, cpu_features()))
    storage.write_bytes(storage.join(config.url, index_name(job.unit)), content)
    for video in videos.values():
        video.spool.remove()
    return len(rows)


def _unlabelled(video: _Video, piece: Piece) -> list[Failure]:
    """The ledger line of a labelled piece that shows somebody else."""
    labelled = piece.occurrence is not None or piece.intensity is not None or video.source.expression
    if piece.track not in video.bystanders or not labelled:
        return []
    detail = (
        f"frames {piece.frame_number[0]} to {piece.frame_number[-1]}: a smaller face beside the labelled one"
    )
    source = video.source.video_id
    return [Failure(source, "label", "bystander", detail, piece.track, frames=len(piece.frame_number))]


def _sample(video: _Video, piece: Piece, facts: dict[str, Any]) -> Sample:
    source, is_bystander = video.source, piece.track in video.bystanders
    occurrence, intensity = (None, None) if is_bystander else (piece.occurrence, piece.intensity)
    return Sample(
        key=piece.key,
        identity=person_of(source, piece.track, is_bystander),
        video=source.video_id,
        track=piece.track,
        piece=piece.piece,
        next_key=piece.next_key,
        activity=source.activity,
        time_seconds=piece.time_seconds,
        frame_number=piece.frame_number,
        frames=video.spool.frames(piece),
        occurrence_TA=None if occurrence is None else np.array(occurrence, np.int8),
        intensity_TA=None if intensity is None else np.array(intensity, np.int8),
        expression=None if is_bystander else source.expression,
        facts={
            **facts,
            "score": piece.score,
            "landmarks": piece.landmarks,
            "quality": piece.quality,
        },
    )


def _write_ledger(job: UnitJob, found: list[Failure]) -> FileEntry:
    failures = sorted(
        found, key=lambda failure: (failure.source, failure.track or 0, failure.stage, failure.reason)
    )
    lines = [json.dumps(asdict(failure), sort_keys=True, ensure_ascii=True) + "\n" for failure in failures]
    content = "".join(lines).encode()
    name = failures_name(job.unit)
    storage.write_bytes(storage.join(job.config.url, name), content)
    return FileEntry(name, len(lines), len(content), hashlib.sha256(content).hexdigest())
