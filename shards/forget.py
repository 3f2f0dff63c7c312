"""Forgetting people and videos: putting tombstones, and a compaction that drops the bytes.

Compaction writes the units that hold what is forgotten again, under new names, then the manifest, and removes
the old files last: a compaction that is killed leaves a whole set and is run again.
"""

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shards import storage
from shards.errors import ShardError
from shards.index import (
    UnitSummary,
    from_parquet,
    open_set,
    read_array,
    read_jpegs,
    read_manifest,
    read_member,
    summary_of,
    to_parquet,
    to_rows,
)
from shards.reach import Reach, write_reach
from shards.runs import reach_of
from shards.schema import (
    FACTS_MEMBER,
    INTENSITY_MEMBER,
    JOB_NAME,
    MANIFEST_NAME,
    OCCURRENCE_MEMBER,
    SET_FOLDERS,
    FileEntry,
    Manifest,
    SampleRow,
    failures_name,
    index_name,
)
from shards.tombstones import hidden, mark_compacted, person_hash, put_tombstone, tombstones, video_hash
from shards.totals import count_totals
from shards.write import Sample, ShardWriter

NAMED = 5
GENERATION = re.compile(r"^(.*?)(?:-c(\d+))?$")
"""A unit's first name, and how often it was compacted."""


@dataclass(frozen=True)
class Forgotten:
    """What a tombstone hides, or a compaction drops."""

    samples: int
    frames: int
    new: bool
    """False where this had been done before."""


def forget(url: str, identity: str) -> Forgotten:
    """Put a person's tombstone.

    Raises:
        ShardError: there is no finished set, or it does not show this person.
    """
    manifest, table = open_set(url)
    identities = table["identity"].to_pylist()
    mine = [place for place, name in enumerate(identities) if name == identity]
    if not mine:
        known = ", ".join(sorted(set(identities))[:NAMED])
        raise ShardError(
            f"{url} shows no person {identity!r}; it has {known}, ...: take the index's `identity`"
        )
    frames = int(table["num_frames"].take(mine).to_numpy().sum())
    units = _units_of(manifest, mine)
    new = put_tombstone(url, person_hash(manifest.namespace, identity), manifest, units)
    return Forgotten(len(mine), frames, new)


def forget_videos(url: str, videos: Collection[str]) -> Forgotten:
    """Put tombstones of videos, such as copies of others.

    Raises:
        ShardError: there is no finished set, or it does not hold one of these videos.
    """
    manifest, table = open_set(url)
    names = table["video"].to_pylist()
    unknown = sorted(set(videos).difference(names))
    if unknown:
        raise ShardError(f"{url} holds no video {unknown[0]!r}: take the index's `video`")
    wanted = set(videos)
    mine = [place for place, name in enumerate(names) if name in wanted]
    frames = sum(table["num_frames"].take(mine).to_pylist())
    new = []
    for video in sorted(wanted):
        units = _units_of(manifest, [place for place, name in enumerate(names) if name == video])
        new.append(put_tombstone(url, video_hash(manifest.namespace, video), manifest, units))
    return Forgotten(len(mine), frames, any(new))


def _units_of(manifest: Manifest, places: Sequence[int]) -> set[int]:
    """The units of rows, given by their places in the whole index."""
    ends = np.cumsum([entry.rows for entry in manifest.indexes])
    return set(np.searchsorted(ends, places, side="right").tolist())


def compact(url: str) -> Forgotten:
    """Drop the bytes of all forgotten people and videos; no run may be reading the set.

    Their lines in the failure ledgers go as far as the index tells whose videos they are about. Tombstones
    stay: who was forgotten stays so if packed to this url again.

    Raises:
        ShardError: there is no finished set, or a sample cannot be read.
    """
    manifest = read_manifest(url)
    hashes = tombstones(url)
    indexes: list[FileEntry] = []
    shards: list[FileEntry] = []
    ledgers: list[FileEntry] = []
    rows: list[SampleRow] = []
    dropped: list[SampleRow] = []
    reach: list[Reach] = []
    for entry, ledger in zip(manifest.indexes, manifest.failures, strict=True):
        table = from_parquet(storage.read_bytes(storage.join(url, entry.name)), entry.name)
        found = to_rows(table)
        people, videos = [row.identity for row in found], [row.video for row in found]
        is_gone = hidden(manifest.namespace, people, videos, hashes).tolist()
        gone = [row for row, is_mine in zip(found, is_gone, strict=True) if is_mine]
        kept = [row for row, is_mine in zip(found, is_gone, strict=True) if not is_mine]
        if gone:
            unit = _next_name(Path(entry.name).stem)
            cpu = summary_of(table, entry.name).cpu
            entry, summary, kept = _write_unit(url, manifest, unit, kept, gone, ledger, cpu)
            shards, ledger = shards + summary.shards, summary.failures
        else:
            names = {row.shard for row in found}
            shards += [shard for shard in manifest.shards if shard.name in names]
        indexes.append(entry)
        ledgers.append(ledger)
        reach.append(reach_of(kept))
        rows += kept
        dropped += gone
    if dropped:
        failures = Counter(reason for ledger in ledgers for reason in _reasons(url, ledger))
        totals = count_totals(rows, failures)
        after = replace(
            manifest,
            totals=totals,
            shards=shards,
            indexes=indexes,
            failures=ledgers,
            reach=write_reach(url, reach),
        )
        _drop_sources(url, {row.video for row in dropped})
        storage.write_bytes(storage.join(url, MANIFEST_NAME), after.to_json().encode())
    for hashed in hashes:
        mark_compacted(url, hashed, read_manifest(url))
    _remove_strays(url, read_manifest(url))
    return Forgotten(len(dropped), sum(row.num_frames for row in dropped), bool(dropped))


def _next_name(unit: str) -> str:
    found = GENERATION.match(unit)
    assert found is not None  # the pattern takes any text
    return f"{found[1]}-c{int(found[2] or 0) + 1}"


def _write_unit(
    url: str,
    manifest: Manifest,
    unit: str,
    kept: list[SampleRow],
    gone: list[SampleRow],
    ledger: FileEntry,
    cpu: str,
) -> tuple[FileEntry, UnitSummary, list[SampleRow]]:
    """The unit without some rows: its index entry, its other files, and its new rows."""
    most_bytes = max(entry.bytes for entry in manifest.shards)
    most_samples = max(entry.rows for entry in manifest.shards)
    videos = {row.video for row in gone}
    with tempfile.TemporaryDirectory(prefix="facscale-compact-") as folder:

        def upload(path: Path, entry: FileEntry) -> None:
            storage.write_file(storage.join(url, entry.name), path)
            path.unlink()

        with ShardWriter(Path(folder), unit, most_bytes, most_samples, upload) as writer:
            rows = [writer.add(_sample(url, row)) for row in kept]
    lines = storage.read_bytes(storage.join(url, ledger.name)).splitlines(keepends=True)
    lines = [line for line in lines if json.loads(line)["source"] not in videos]
    failures = _write(url, failures_name(unit), b"".join(lines), len(lines))
    summary = UnitSummary(writer.shards, failures, cpu)
    return _write(url, index_name(unit), to_parquet(rows, summary), len(rows)), summary, rows


def _write(url: str, name: str, content: bytes, rows: int) -> FileEntry:
    storage.write_bytes(storage.join(url, name), content)
    return FileEntry(name, rows, len(content), hashlib.sha256(content).hexdigest())


def _sample(url: str, row: SampleRow) -> Sample:
    return Sample(
        **{name: getattr(row, name) for name in ("key", "identity", "video", "track", "piece", "next_key")},
        activity=row.activity,
        time_seconds=row.time_seconds,
        frame_number=row.frame_number,
        frames=read_jpegs(url, row),
        occurrence_TA=read_array(url, row, OCCURRENCE_MEMBER) if row.has_occurrence else None,
        intensity_TA=read_array(url, row, INTENSITY_MEMBER) if row.has_intensity else None,
        expression=row.expression,
        facts=json.loads(read_member(url, row, FACTS_MEMBER)),
    )


def _reasons(url: str, ledger: FileEntry) -> list[str]:
    lines = storage.read_bytes(storage.join(url, ledger.name)).splitlines()
    return [str(json.loads(line)["reason"]) for line in lines]


def _drop_sources(url: str, videos: Iterable[str]) -> None:
    """Take videos out of what the pack wrote down of its input."""
    target = storage.join(url, JOB_NAME)
    if not storage.exists(target):
        return
    content: dict[str, Any] = json.loads(storage.read_bytes(target))
    content["sources"] = {name: mark for name, mark in content["sources"].items() if name not in set(videos)}
    storage.write_bytes(target, (json.dumps(content, sort_keys=True, indent=1) + "\n").encode())


def _remove_strays(url: str, manifest: Manifest) -> None:
    pinned = {entry.name for entry in manifest.files}
    for name in storage.list_names(url):
        if name.startswith(SET_FOLDERS) and name not in pinned:
            storage.delete(storage.join(url, name))
