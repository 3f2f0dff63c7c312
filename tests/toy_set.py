"""A small labelled shard set in DISFA's form: flat colours for people, bright squares for AUs."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from finetune.protocols.registry import PROTOCOLS
from shards.index import UnitSummary, to_parquet
from shards.layouts import rafdb
from shards.layouts.disfa import AUS
from shards.pack.faces.encode import encode
from shards.reach import write_reach
from shards.runs import reach_of
from shards.schema import CropRecipe, FileEntry, Manifest, index_name
from shards.totals import count_totals
from shards.write import Sample, ShardWriter

PEOPLE = ("SN001", "SN002", "SN006", "SN011", "SN003", "SN004")
EVERYONE = tuple(person for part in PROTOCOLS["disfa"].parts.values() for person in part.people)
EXPRESSIONS = tuple(rafdb.EXPRESSIONS.values())
SIZE = 32
PIECE = 12
RECIPE = CropRecipe("toy", 1, SIZE, "none", "1", "0", "cpu", 320, [[0.5, 0.5]] * 5, 5, 95, "420")


def toy_frame(person, intensity_A):
    """A face whose AU k brightens square k of a 4 x 3 grid."""
    rng = np.random.default_rng(EVERYONE.index(person))
    frame = np.full((SIZE, SIZE, 3), rng.integers(40, 110, 3), np.uint8)
    for k, value in enumerate(intensity_A):
        top, left = 8 * (k // 4) + 4, 8 * (k % 4)
        frame[top : top + 7, left : left + 7] = np.clip(frame[top, left] + 28 * max(0, int(value)), 0, 255)
    return frame


def toy_intensity(person, num_frames):
    rng = np.random.default_rng([7, EVERYONE.index(person)])
    intensity_TA = np.zeros((num_frames, len(AUS)), np.int8)
    for k in range(len(AUS)):
        phase = rng.integers(num_frames)
        intensity_TA[:, k] = np.clip(np.round(5 * np.sin(np.arange(num_frames) / 2 + phase)), 0, 5)
    return intensity_TA


def independent_intensity(person, num_frames):
    """No curves: every AU of every frame is drawn for itself, half of them absent."""
    rng = np.random.default_rng([8, EVERYONE.index(person)])
    shape = (num_frames, len(AUS))
    return np.where(rng.random(shape) < 0.5, 0, rng.integers(1, 6, shape)).astype(np.int8)


def write_set(
    folder: Path,
    people=PEOPLE,
    num_frames=24,
    labelled=True,
    intensity=toy_intensity,
    videos=1,
    graded=True,
    recipe=RECIPE,
) -> str:
    """Each person's later videos show the same a frame later; not `graded` has occurrence labels alone."""
    samples = []
    for person, video in product(people, range(videos)):
        name = f"{person}-{video}" if video else person
        intensity_TA = np.roll(intensity(person, num_frames), video, axis=0)
        for piece in range(0, num_frames, PIECE):
            frames = list(range(piece, min(num_frames, piece + PIECE)))
            part_TA = intensity_TA[frames]
            number = piece // PIECE
            samples.append(
                Sample(
                    key=f"toy-{name.lower()}-{number}",
                    identity=person,
                    video=f"{name}.avi",
                    track=0,
                    piece=number,
                    next_key=None,
                    activity=None,
                    time_seconds=[frame / 20 for frame in frames],
                    frame_number=[frame + 1 for frame in frames],
                    frames=[encode(toy_frame(person, intensity_TA[frame])) for frame in frames],
                    occurrence_TA=(part_TA >= 2).astype(np.int8) if labelled else None,
                    intensity_TA=part_TA if labelled and graded else None,
                )
            )
    return commit(
        folder,
        samples,
        recipe=recipe,
        occurrence_aus=AUS if labelled else [],
        intensity_aus=AUS if labelled and graded else [],
    )


def write_stills(folder: Path, pictures: Mapping[str, str | None]) -> str:
    """A set in RAF-DB's form: pictures by name with their expressions, each a bright square of its own."""
    samples = []
    for name, expression in pictures.items():
        rng = np.random.default_rng(list(name.encode()))
        frame = np.full((SIZE, SIZE, 3), rng.integers(40, 110, 3), np.uint8)
        if expression is not None:
            place = 8 * EXPRESSIONS.index(expression)
            top, left = 8 * (place // SIZE) + 8, place % SIZE
            frame[top : top + 7, left : left + 7] = 240
        samples.append(
            Sample(
                key=f"toy-{name.replace('_', '-')}",
                identity=name,
                video=f"basic/Image/aligned/{name}_aligned.jpg",
                track=0,
                piece=0,
                next_key=None,
                activity=None,
                time_seconds=[0.0],
                frame_number=[0],
                frames=[encode(frame)],
                expression=expression,
            )
        )
    return commit(folder, samples, layout="rafdb", expressions=list(EXPRESSIONS))


def commit(folder: Path, samples: Sequence[Sample], **facts) -> str:
    """Write samples as a finished set of one unit; `facts` of its manifest beside DISFA's."""
    with ShardWriter(folder, "u0", 2**30, 10**6) as writer:
        rows = [writer.add(sample) for sample in samples]
    failures = FileEntry("failures/u0.jsonl", 0, 0, hashlib.sha256(b"").hexdigest())
    index = to_parquet(rows, UnitSummary(writer.shards, failures, ""))
    (folder / "index").mkdir()
    (folder / index_name("u0")).write_bytes(index)
    usual = {"namespace": "toy", "layout": "disfa", "recipe": RECIPE}
    labels = {"occurrence_aus": [], "intensity_aus": [], "expressions": []}
    manifest = Manifest(
        versions={},
        cpus=[],
        totals=count_totals(rows, {}),
        shards=writer.shards,
        indexes=[FileEntry(index_name("u0"), len(rows), len(index), hashlib.sha256(index).hexdigest())],
        failures=[failures],
        reach=write_reach(str(folder), [reach_of(rows)]),
        **{**usual, **labels, **facts},
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    return str(folder)
