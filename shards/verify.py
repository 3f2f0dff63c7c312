"""Check a finished set against its own manifest and index: every file, count, member and frame."""

import hashlib
import io
import json
import mmap
import tarfile
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards import storage
from shards.errors import ShardError
from shards.index import from_parquet, read_manifest, to_rows
from shards.look import look_of
from shards.reach import Reach, reach_parquet
from shards.runs import reach_of
from shards.schema import (
    EXPRESSION_FACT,
    FACTS_MEMBER,
    FRAMES_MEMBER,
    INTENSITY_MEMBER,
    MANIFEST_NAME,
    OCCURRENCE_MEMBER,
    SET_FOLDERS,
    FileEntry,
    Manifest,
    SampleRow,
)
from shards.totals import count_totals

READ_BYTES = 16 * 2**20


@dataclass
class Report:
    """What was checked and all that was found wrong, in the order it was met."""

    files: int = 0
    bytes: int = 0
    samples: int = 0
    frames: int = 0
    problems: list[str] = field(default_factory=list)


def verify(url: str, deep: bool = False, on_file: Callable[[str], None] | None = None) -> Report:
    """Check the set at `url`; `deep` also decodes every frame and reads every fact and label.

    A shard is read once, into a temporary file. Problems are collected, not raised.

    Raises:
        ShardError: there is no readable manifest, or the store does not answer.
    """
    manifest = read_manifest(url)
    report = Report()
    names = set(storage.list_names(url))
    pinned = {entry.name for entry in manifest.files}
    strays = [name for name in sorted(names - pinned) if name.startswith(SET_FOLDERS)]
    report.problems += [f"{name}: not in the manifest; left by something else, remove it" for name in strays]
    small: dict[str, bytes] = {}
    for entry in (*manifest.indexes, *manifest.failures, manifest.reach):
        with tempfile.TemporaryFile() as file:
            if _fetch(url, entry, names, file, report):
                small[entry.name] = _content(file)
        _tell(on_file, entry)
    rows = _check_index(manifest, small, report)
    for entry in manifest.shards:
        with tempfile.TemporaryFile() as file:
            if _fetch(url, entry, names, file, report):
                mine = [row for row in rows if row.shard == entry.name]
                _check_shard(manifest, entry, mine, file, deep, report)
        _tell(on_file, entry)
    return report


def _tell(on_file: Callable[[str], None] | None, entry: FileEntry) -> None:
    if on_file is not None:
        on_file(entry.name)


def _content(file: Any) -> bytes:
    file.seek(0)
    content: bytes = file.read()
    return content


def _fetch(url: str, entry: FileEntry, names: set[str], file: Any, report: Report) -> bool:
    """Copy an object to `file` and check size and digest; False where it is not there."""
    if entry.name not in names:
        report.problems.append(f"{entry.name}: missing")
        return False
    source = storage.join(url, entry.name)
    total = storage.size(source)
    digest = hashlib.sha256()
    for start in range(0, total, READ_BYTES):
        data = storage.read_range(source, start, min(READ_BYTES, total - start))
        digest.update(data)
        file.write(data)
    file.flush()
    report.files += 1
    report.bytes += total
    if total != entry.bytes:
        report.problems.append(f"{entry.name}: {total} bytes, the manifest says {entry.bytes}")
    if digest.hexdigest() != entry.sha256:
        report.problems.append(f"{entry.name}: sha256 differs from the manifest's")
    return True


def _check_index(manifest: Manifest, small: dict[str, bytes], report: Report) -> list[SampleRow]:
    rows: list[SampleRow] = []
    reach: list[Reach] = []
    for entry in manifest.indexes:
        if entry.name in small:
            try:
                found = to_rows(from_parquet(small[entry.name], entry.name))
            except ShardError as error:
                report.problems.append(f"{entry.name}: {error}")
                continue
            if len(found) != entry.rows:
                report.problems.append(f"{entry.name}: {len(found)} rows, the manifest says {entry.rows}")
            rows += found
            reach.append(reach_of(found))
    if len(reach) == len(manifest.indexes) and small.get(manifest.reach.name, b"") != reach_parquet(reach):
        report.problems.append(f"{manifest.reach.name}: counts other samples than the index has")
    ledgers = []
    for entry in manifest.failures:
        lines = small.get(entry.name, b"").splitlines()
        if entry.name in small and len(lines) != entry.rows:
            report.problems.append(f"{entry.name}: {len(lines)} lines, the manifest says {entry.rows}")
        ledgers += [line for line in lines if line.strip()]
    try:
        reasons = Counter(str(json.loads(line)["reason"]) for line in ledgers)
    except (ValueError, KeyError, TypeError) as error:
        report.problems.append(f"failures/: a line is no failure record ({error})")
        reasons = Counter()
    totals = count_totals(rows, reasons)
    if totals != manifest.totals:
        report.problems.append(f"{MANIFEST_NAME}: totals {manifest.totals}, counted {totals}")
    report.samples, report.frames = totals.samples, totals.frames
    _check_links(rows, report)
    return rows


def _check_links(rows: list[SampleRow], report: Report) -> None:
    by_key = {row.key: row for row in rows}
    if len(by_key) != len(rows):
        repeated = [key for key, count in Counter(row.key for row in rows).items() if count > 1]
        report.problems.append(f"index: keys that occur more than once: {repeated[:5]}")
    for row in rows:
        after = by_key.get(row.next_key) if row.next_key else None
        place = (row.video, row.track, row.piece + 1)
        if row.next_key and (after is None or (after.video, after.track, after.piece) != place):
            report.problems.append(f"{row.key}: next_key {row.next_key} is not the next piece of its track")


def _check_shard(
    manifest: Manifest, entry: FileEntry, rows: list[SampleRow], file: Any, deep: bool, report: Report
) -> None:
    if len(rows) != entry.rows:
        report.problems.append(f"{entry.name}: {len(rows)} index rows, the manifest says {entry.rows}")
    if not file.tell():
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_members(entry.name, rows, file, report)
        for row in rows:
            problems = _check_sample(row, content)
            if deep and not problems:
                problems = _check_contents(manifest, row, content)
            report.problems += [f"{entry.name}: {row.key}: {problem}" for problem in problems]


def _check_members(shard: str, rows: list[SampleRow], file: Any, report: Report) -> None:
    """The members that a tar reader finds, against those that the index lists."""
    wanted = {(member.name, member.offset, member.length) for row in rows for member in row.members}
    try:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            found = {(member.name, member.offset_data, member.size) for member in archive}
    except tarfile.TarError as error:
        report.problems.append(f"{shard}: not a readable tar ({error})")
        return
    for name, offset, length in sorted(wanted - found):
        report.problems.append(f"{shard}: no member {name} of {length} bytes at byte {offset}")
    for name, offset, length in sorted(found - wanted):
        report.problems.append(f"{shard}: member {name} of {length} bytes at byte {offset} is in no index")


def _check_sample(row: SampleRow, content: mmap.mmap) -> list[str]:
    problems = [
        f"member {member.name}: CRC differs from the index"
        for member in row.members
        if zlib.crc32(content[member.offset : member.offset + member.length]) != member.crc32
    ]
    names = [member.name.removeprefix(f"{row.key}.") for member in row.members]
    labels = [OCCURRENCE_MEMBER] * row.has_occurrence + [INTENSITY_MEMBER] * row.has_intensity
    if names != [FRAMES_MEMBER, FACTS_MEMBER, *labels]:
        return [*problems, f"members {names}, wanted {[FRAMES_MEMBER, FACTS_MEMBER, *labels]}"]
    place = row.member(FRAMES_MEMBER).offset
    for number, (offset, length) in enumerate(zip(row.frame_offset, row.frame_length, strict=True)):
        if offset != place:
            problems.append(f"frame {number} starts at byte {offset}, wanted {place}")
        if zlib.crc32(content[offset : offset + length]) != row.frame_crc32[number]:
            problems.append(f"frame {number}: CRC differs from the index")
        place = offset + length
    member = row.member(FRAMES_MEMBER)
    if place != member.offset + member.length:
        problems.append(f"frames end at byte {place}, the member at {member.offset + member.length}")
    return problems


def _check_contents(manifest: Manifest, row: SampleRow, content: mmap.mmap) -> list[str]:
    """Decode all frames, compare the facts with the index, and look at every label."""
    problems = []
    wanted = (manifest.recipe.size, manifest.recipe.size, 3)
    for number, (offset, length) in enumerate(zip(row.frame_offset, row.frame_length, strict=True)):
        try:
            shape = simplejpeg.decode_jpeg(content[offset : offset + length]).shape
        except ValueError as error:
            problems.append(f"frame {number} does not decode ({error})")
            continue
        if shape != wanted:
            problems.append(f"frame {number} is {shape}, the recipe says {wanted}")
    if not problems and look_of(_luma(row, content)) != row.look:
        problems.append("look differs between the first frame and index")
    facts = json.loads(_member(row, FACTS_MEMBER, content))
    for name in ("key", "identity", "video", "track", "piece", "time_seconds", "frame_number"):
        if facts.get(name) != getattr(row, name):
            problems.append(f"{name} differs between {FACTS_MEMBER} and index")
    if facts.get(EXPRESSION_FACT) != row.expression:
        problems.append(f"{EXPRESSION_FACT} differs between {FACTS_MEMBER} and index")
    if row.expression not in (None, *manifest.expressions):
        problems.append(f"expression {row.expression!r} is none of the manifest's {manifest.expressions}")
    if facts.get("recipe_digest") != manifest.recipe_digest:
        problems.append(f"recipe_digest of {FACTS_MEMBER} is not the manifest's")
    for name, aus, highest in (
        (OCCURRENCE_MEMBER, manifest.occurrence_aus, 1),
        (INTENSITY_MEMBER, manifest.intensity_aus, 5),
    ):
        if any(member.name.endswith(name) for member in row.members):
            labels_TA = _labels(_member(row, name, content))
            if labels_TA.shape != (row.num_frames, len(aus)) or labels_TA.dtype != np.int8:
                problems.append(f"{name} is {labels_TA.dtype} {labels_TA.shape}")
            elif labels_TA.min() < -1 or labels_TA.max() > highest:
                problems.append(f"{name} has values outside -1..{highest}")
    return problems


def _member(row: SampleRow, name: str, content: mmap.mmap) -> bytes:
    member = row.member(name)
    return content[member.offset : member.offset + member.length]


def _luma(row: SampleRow, content: mmap.mmap) -> NDArray[np.uint8]:
    first = content[row.frame_offset[0] : row.frame_offset[0] + row.frame_length[0]]
    return np.asarray(simplejpeg.decode_jpeg(first, colorspace="GRAY")[..., 0], np.uint8)


def _labels(data: bytes) -> NDArray[Any]:
    labels: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return labels
