"""A small shard set for tests, written by the real writers: discs whose place says person and time."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import simplejpeg

from shards import storage
from shards.index import UnitSummary, to_parquet
from shards.reach import Reach, write_reach
from shards.runs import reach_of
from shards.schema import (
    MANIFEST_NAME,
    CropRecipe,
    FileEntry,
    Manifest,
    SampleRow,
    failures_name,
    index_name,
)
from shards.totals import count_totals
from shards.write import Sample, ShardWriter

AUS = [1, 12]
EXPRESSIONS = ("happiness", "fear")


def draw(person: int, frame: int, size: int) -> bytes:
    """One JPEG: a disc on the person's background that moves with time."""
    y, x = np.mgrid[:size, :size]
    phase = 2 * np.pi * frame / 32
    centre = size * (0.5 + 0.25 * np.sin(phase)), size * (0.5 + 0.25 * np.cos(phase + person))
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (size / 6) ** 2
    colour = np.random.default_rng(person).integers(0, 255, (2, 3))
    pixels = np.where(inside[..., None], colour[0], colour[1]).astype(np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=95, colorsubsampling="420")
    return encoded


def write_set(
    url: str,
    folder: Path,
    people: int = 6,
    samples_per_person: int = 2,
    frames: int = 32,
    units: int = 3,
    size: int = 32,
    labelled: bool = False,
    activities: Sequence[str | None] = (None,),
) -> Manifest:
    """Write the set at `url`; `folder` holds its tars meanwhile. Each person shows `activities` in turn."""
    recipe = CropRecipe("drawn", 1, size, "none", "1", "0" * 64, "cpu", 320, [[0.5, 0.5]] * 5, 1, 95, "420")
    shards: list[FileEntry] = []
    indexes: list[FileEntry] = []
    failures: list[FileEntry] = []
    all_rows: list[SampleRow] = []
    reach: list[Reach] = []
    for unit_number in range(units):
        unit = f"u{unit_number:04d}"
        rows = []
        with ShardWriter(folder, unit, max_bytes=2**20, max_samples=4) as writer:
            for number in range(unit_number, people * samples_per_person, units):
                sample = _sample(number, number % people, frames, size, labelled, recipe)
                activity = activities[number // people % len(activities)]
                rows.append(writer.add(replace(sample, activity=activity)))
        for entry in writer.shards:
            storage.write_file(storage.join(url, entry.name), folder / entry.name)
        empty = FileEntry(failures_name(unit), 0, 0, hashlib.sha256(b"").hexdigest())
        content = to_parquet(rows, UnitSummary(writer.shards, empty, ""))
        storage.write_bytes(storage.join(url, empty.name), b"")
        storage.write_bytes(storage.join(url, index_name(unit)), content)
        shards += writer.shards
        failures.append(empty)
        indexes.append(
            FileEntry(index_name(unit), len(rows), len(content), hashlib.sha256(content).hexdigest())
        )
        all_rows += rows
        reach.append(reach_of(rows))
    manifest = Manifest(
        namespace="drawn",
        layout="folder",
        recipe=recipe,
        versions={},
        cpus=[],
        occurrence_aus=AUS if labelled else [],
        intensity_aus=AUS if labelled else [],
        expressions=list(EXPRESSIONS) if labelled else [],
        totals=count_totals(all_rows, {}),
        shards=shards,
        indexes=indexes,
        failures=failures,
        reach=write_reach(url, reach),
    )
    storage.write_bytes(storage.join(url, MANIFEST_NAME), manifest.to_json().encode())
    return manifest


def expression_of(number: int) -> str | None:
    """Of a labelled sample; every third shows none of them."""
    return (*EXPRESSIONS, None)[number % 3]


def _sample(number: int, person: int, frames: int, size: int, labelled: bool, recipe: CropRecipe) -> Sample:
    intensity_TA = np.random.default_rng(number).integers(-1, 6, (frames, len(AUS))).astype(np.int8)
    occurrence_TA = np.where(intensity_TA < 0, -1, intensity_TA >= 2).astype(np.int8)
    return Sample(
        key=f"{number:016x}-000-000",
        identity=f"person{person}",
        video=f"video{number}",
        track=0,
        piece=0,
        next_key=None,
        activity=None,
        time_seconds=[frame / 25 for frame in range(frames)],
        frame_number=list(range(1, frames + 1)),
        frames=[draw(person, frame + 7 * number, size) for frame in range(frames)],
        occurrence_TA=occurrence_TA if labelled else None,
        intensity_TA=intensity_TA if labelled else None,
        expression=expression_of(number) if labelled else None,
        facts={
            "recipe_digest": recipe.digest,
            "score": [0.9 if frame % 5 == 0 else None for frame in range(frames)],
            "landmarks": [[10.0, 20, 10 + person + 20, 20, 25, 30, 14, 40, 36, 40]] * frames,
        },
    )
