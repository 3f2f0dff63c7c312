"""The set that all sides read: samples of generated faces, all of one length, by the real writers.

Packed samples are written out several times under other keys, as making all of them anew would take hours;
what is read and decoded is the same work.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

from shards import storage
from shards.index import UnitSummary, read_index, read_manifest, to_parquet
from shards.reach import Reach, write_reach
from shards.runs import reach_of
from shards.schema import (
    FACTS_MEMBER,
    FRAMES_MEMBER,
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    SampleRow,
    failures_name,
    index_name,
)
from shards.totals import count_totals
from shards.write import Sample, ShardWriter

FRAMES_PER_SECOND = 25
NO_LINES = hashlib.sha256(b"").hexdigest()


def make_set(
    folder: Path, samples: int, frames: int, pixels: int, units: int, people: int, seed: int
) -> Path:
    """A set of `samples` samples of `frames` frames in `folder`, made where it is missing."""
    made, packed = folder / "set", folder / "packed"
    if (made / MANIFEST_NAME).exists():
        return made
    videos = folder / "videos"
    # Lengths vary around the mean: at twice a sample every video holds at least one whole sample.
    seconds = str(2 * frames / FRAMES_PER_SECOND)
    size = ("--size", str(pixels))
    _shards("generate", videos, "--layout", "voxceleb", "--identities", people, "--seconds", seconds, *size,
            "--seed", seed, "--videos-per-identity", "1")  # fmt: skip
    _shards("pack", videos, packed, "--layout", "voxceleb", "--frames-per-sample", frames, *size)
    origin = Manifest.from_json((packed / MANIFEST_NAME).read_text(), str(packed))
    whole = [
        sample
        for entry in origin.shards
        for sample in _read_samples(packed / entry.name)
        if len(sample.frames) == frames
    ]
    _write_copies(made, origin, whole, samples, units)
    return made


def make_wide(folder: Path, made: Path, rows: int, unit_rows: int) -> Path:
    """A set of `rows` samples in `folder`: many units with one index, whose rows are samples of `made`."""
    if (folder / MANIFEST_NAME).exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shards").symlink_to(made / "shards")
    origin = read_manifest(str(made))
    real = read_index(str(made), origin)
    unit = [
        replace(
            real[number % len(real)],
            key=f"{number:016x}-000-000",
            identity=f"person{number // 4}",
            video=f"video{number}",
        )
        for number in range(unit_rows)
    ]
    empty = FileEntry(failures_name("wide"), 0, 0, NO_LINES)
    content = to_parquet(unit, UnitSummary([], empty, ""))
    storage.write_bytes(storage.join(str(folder), index_name("wide")), content)
    index = FileEntry(index_name("wide"), unit_rows, len(content), hashlib.sha256(content).hexdigest())
    units = -(-rows // unit_rows)
    reach = write_reach(str(folder), [reach_of(unit)] * units)
    manifest = replace(origin, indexes=[index] * units, failures=[], reach=reach)
    storage.write_bytes(storage.join(str(folder), MANIFEST_NAME), manifest.to_json().encode())
    return folder


def _shards(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "shards", *map(str, words)], check=True, stdout=sys.stderr)


def _read_samples(path: Path) -> list[Sample]:
    with tarfile.open(path) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    found = []
    for name, data in content.items():
        key, _, kind = name.partition(".")
        if kind == FRAMES_MEMBER:
            facts = json.loads(content[f"{key}.{FACTS_MEMBER}"])
            frames, start = [], 0
            for length in facts["frame_length"]:
                frames.append(data[start : start + length])
                start += length
            own = ("key", "identity", "video", "track", "piece", "activity", "time_seconds", "frame_number")
            others = {name: facts[name] for name in ("score", "landmarks") if name in facts}
            found.append(
                Sample(**{name: facts[name] for name in own}, next_key=None, frames=frames, facts=others)
            )
    return found


def _write_copies(out: Path, origin: Manifest, whole: list[Sample], samples: int, units: int) -> None:
    shards: list[FileEntry] = []
    indexes: list[FileEntry] = []
    failures: list[FileEntry] = []
    rows: list[SampleRow] = []
    reach: list[Reach] = []
    url = str(out)
    for unit_number in range(units):
        unit = f"{unit_number:05d}"
        with ShardWriter(out, unit, max_bytes=256 * 2**20, max_samples=10**6) as writer:
            added = [
                writer.add(_copy(whole[number % len(whole)], number))
                for number in range(unit_number, samples, units)
            ]
        empty = FileEntry(failures_name(unit), 0, 0, NO_LINES)
        content = to_parquet(added, UnitSummary(writer.shards, empty, ""))
        storage.write_bytes(storage.join(url, empty.name), b"")
        storage.write_bytes(storage.join(url, index_name(unit)), content)
        reach.append(reach_of(added))
        digest = hashlib.sha256(content).hexdigest()
        shards, failures, rows = [*shards, *writer.shards], [*failures, empty], [*rows, *added]
        indexes.append(FileEntry(index_name(unit), len(added), len(content), digest))
    manifest = replace(
        origin,
        totals=count_totals(rows, {}),
        shards=shards,
        indexes=indexes,
        failures=failures,
        reach=write_reach(url, reach),
    )
    storage.write_bytes(storage.join(url, MANIFEST_NAME), manifest.to_json().encode())


def _copy(sample: Sample, number: int) -> Sample:
    """Another sample with the same frames: each copy is a video and a person of its own."""
    return replace(
        sample,
        key=f"{number:016x}-000-000",
        identity=f"{sample.identity}-{number}",
        video=f"{sample.video}-{number}",
        piece=0,
    )
