"""A unit's spools into shards, ledger and index: ordered, uploaded, committed."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shards import storage
from shards.index import UnitSummary, to_parquet
from shards.layouts.layout import Source
from shards.pack.spool import Piece, VideoSpool, video_hash
from shards.schema import EXPRESSION_FACT, Failure, FileEntry, SampleRow, failures_name, index_name
from shards.write import Sample, ShardWriter


@dataclass(frozen=True)
class UnitJob:
    """All that a worker needs to write one unit whose videos are spooled."""

    unit: str
    url: str
    namespace: str
    sources: list[Source]
    failures: list[Failure]
    max_shard_bytes: int
    max_shard_samples: int
    facts: dict[str, Any]
    """Of the set, for every sample's json: recipe digest and AU names."""


def write_unit(job: UnitJob, folder: Path) -> int:
    """Write and upload a unit; the index goes last and commits it. Returns the number of samples.

    Samples stand in the order of a hash of their keys, which mixes people in every shard and depends on
    nothing but the keys.
    """
    spools = {
        source.video_id: VideoSpool(folder, video_hash(job.namespace, source.video_id))
        for source in job.sources
    }
    by_id = {source.video_id: source for source in job.sources}
    order = sorted(
        (hashlib.sha256(piece.key.encode()).digest(), video_id, line)
        for video_id, spool in spools.items()
        for line, piece in spool.lines()
    )

    def upload(path: Path, entry: FileEntry) -> None:
        storage.write_file(storage.join(job.url, entry.name), path)
        path.unlink()

    rows: list[SampleRow] = []
    with ShardWriter(folder, job.unit, job.max_shard_bytes, job.max_shard_samples, upload) as writer:
        for _, video_id, line in order:
            piece = spools[video_id].piece_at(line)
            rows.append(writer.add(_sample(by_id[video_id], piece, spools[video_id], job.facts)))
    ledger = _write_ledger(job)
    content = to_parquet(rows, UnitSummary(writer.shards, ledger))
    storage.write_bytes(storage.join(job.url, index_name(job.unit)), content)
    for spool in spools.values():
        spool.remove()
    return len(rows)


def _sample(source: Source, piece: Piece, spool: VideoSpool, facts: dict[str, Any]) -> Sample:
    shown = {} if source.expression is None else {EXPRESSION_FACT: source.expression}
    return Sample(
        key=piece.key,
        identity=source.identity,
        video=source.video_id,
        track=piece.track,
        piece=piece.piece,
        next_key=piece.next_key,
        activity=source.activity,
        time_seconds=piece.time_seconds,
        frame_number=piece.frame_number,
        frames=spool.frames(piece),
        occurrence_TA=None if piece.occurrence is None else np.array(piece.occurrence, np.int8),
        intensity_TA=None if piece.intensity is None else np.array(piece.intensity, np.int8),
        facts={**facts, **shown, "score": piece.score, "landmarks": piece.landmarks},
    )


def _write_ledger(job: UnitJob) -> FileEntry:
    failures = sorted(
        job.failures, key=lambda failure: (failure.source, failure.track or 0, failure.stage, failure.reason)
    )
    lines = [json.dumps(asdict(failure), sort_keys=True, ensure_ascii=True) + "\n" for failure in failures]
    content = "".join(lines).encode()
    name = failures_name(job.unit)
    storage.write_bytes(storage.join(job.url, name), content)
    return FileEntry(name, len(lines), len(content), hashlib.sha256(content).hexdigest())
