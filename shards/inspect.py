"""Looking into a set: faces of many tracks on one sheet, and one sample as a video."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards import storage
from shards.errors import ShardError
from shards.index import open_set, read_array, read_jpegs, read_member, to_rows
from shards.pack.faces.align import similarity
from shards.schema import (
    EXPRESSION_FACT,
    FACTS_MEMBER,
    INTENSITY_MEMBER,
    OCCURRENCE_MEMBER,
    Manifest,
    SampleRow,
)
from shards.video import write_video

COLUMNS = 6
TILE_INCHES = (2.1, 2.6)
NAMED = 5
"""Keys that an error lists."""


@dataclass(frozen=True)
class Tile:
    """One frame of a track with what the set says of it."""

    pixels_HWC: NDArray[np.uint8]
    landmarks_52: NDArray[np.float64]
    """In the crop's pixels."""
    caption: str


def contact_sheet(url: str, path: Path, tracks: int = 24) -> int:
    """Write a PNG with a frame of evenly spread samples, landmarks, labels and scores; returns how many.

    Of a labelled sample the frame with the highest sum of intensities is shown, else the middle one.

    Raises:
        ShardError: no finished set, an empty one, or a member that cannot be read.
    """
    from matplotlib.figure import Figure

    manifest, table = open_set(url)
    if not len(table):
        raise ShardError(f"{url} holds no samples; its failures/ folder says why each source gave nothing")
    chosen = np.unique(np.linspace(0, len(table) - 1, min(tracks, len(table))).round().astype(int))
    tiles = [_tile(url, manifest, row) for row in to_rows(table.take(chosen))]
    columns = min(COLUMNS, len(tiles))
    lines = -(-len(tiles) // columns)
    figure = Figure(figsize=(TILE_INCHES[0] * columns, TILE_INCHES[1] * lines))
    places = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in places:
        axes.axis("off")
    for axes, tile in zip(places, tiles, strict=False):
        axes.imshow(tile.pixels_HWC)
        axes.scatter(*tile.landmarks_52.T, s=7, c="#35d07f", linewidths=0)
        axes.set_title(tile.caption, fontsize=6, loc="left", parse_math=False)
    figure.tight_layout(pad=0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return len(tiles)


def _tile(url: str, manifest: Manifest, row: SampleRow) -> Tile:
    facts = json.loads(read_member(url, row, FACTS_MEMBER))
    intensity_TA, occurrence_TA = (
        read_array(url, row, name) if labelled else None
        for name, labelled in ((INTENSITY_MEMBER, row.has_intensity), (OCCURRENCE_MEMBER, row.has_occurrence))
    )
    shown_TA = occurrence_TA if intensity_TA is None else intensity_TA
    place = row.num_frames // 2 if shown_TA is None else int(shown_TA.clip(0).sum(axis=1).argmax())
    data = storage.read_range(storage.join(url, row.shard), row.frame_offset[place], row.frame_length[place])
    landmarks_52 = np.asarray(facts["landmarks"][place], np.float64).reshape(5, 2)
    matrix_23 = similarity(landmarks_52, manifest.recipe.size, manifest.recipe.template)
    scores = [score for score in facts["score"] if score is not None]
    lines = [
        f"{row.identity}  {row.time_seconds[place]:.2f} s",
        _shortened(row.video),
        f"frame {row.frame_number[place]}, score {max(scores):.2f}" if scores else "no score",
    ]
    lines += [fact for fact in (row.activity, facts.get(EXPRESSION_FACT)) if fact]
    if shown_TA is not None:
        aus = manifest.occurrence_aus if intensity_TA is None else manifest.intensity_aus
        present = [(au, code) for au, code in zip(aus, shown_TA[place].tolist(), strict=True) if code > 0]
        level = "" if intensity_TA is None else ":{}"
        lines.append(" ".join(f"AU{au}{level.format(code)}" for au, code in present) or "no AU")
    return Tile(
        simplejpeg.decode_jpeg(data),
        landmarks_52 @ matrix_23[:, :2].T + matrix_23[:, 2],
        "\n".join(lines),
    )


def _shortened(name: str, length: int = 34) -> str:
    return name if len(name) <= length else f"...{name[3 - length :]}"


def sample_video(url: str, key: str, path: Path) -> int:
    """Write the frames of one sample as a video at its own rate; returns how many.

    Raises:
        ShardError: the set has no such sample; names some that it has.
    """
    _, table = open_set(url)
    keys = table["key"].to_pylist()
    if key not in keys:
        raise ShardError(f"{url} has no sample {key!r}; it has {', '.join(keys[:NAMED])}, ...")
    (row,) = to_rows(table.take([keys.index(key)]))
    frames = [simplejpeg.decode_jpeg(data) for data in read_jpegs(url, row)]
    even = frames[0].shape[0] // 2 * 2  # the video's colours have half its resolution
    apart = float(np.median(np.diff(row.time_seconds))) if row.num_frames > 1 else 1.0
    write_video(path, [frame[:even, :even] for frame in frames], max(1, round(1 / apart)), even)
    return row.num_frames
