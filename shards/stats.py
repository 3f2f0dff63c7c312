"""What a finished set holds: people, hours, sizes, label rates, failures.

Counts of samples, frames and people come from the index and are exact. Labels and the samples' facts lie in
the shards; of a large set they are read for some samples, evenly spread, and the numbers say for how many.
"""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shards import storage
from shards.index import open_set, read_member, to_rows
from shards.schema import (
    EXPRESSION_FACT,
    FACTS_MEMBER,
    INTENSITY_MEMBER,
    OCCURRENCE_MEMBER,
    QUALITY_FACT,
    Manifest,
    SampleRow,
    Totals,
)

MOST_SAMPLES = 5000
"""Whose labels and facts are read."""
LEVELS = 6
"""Intensities 0-5."""
THREADS = 8


@dataclass(frozen=True)
class Spread:
    """How a quantity is distributed."""

    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float

    @classmethod
    def of(cls, values: ArrayLike) -> "Spread | None":
        """None where there is nothing."""
        array = np.asarray(values, np.float64)
        return cls(*np.percentile(array, (0, 25, 50, 75, 100)).tolist()) if array.size else None


@dataclass(frozen=True)
class AuRate:
    """Of one AU, in the samples that were read.

    Attributes:
        frames: coded ones.
        present: share of them that show it (occurrence), None where occurrence is not coded.
        levels: share of each intensity 0-5, None where intensity is not coded.
    """

    frames: int
    present: float | None
    levels: list[float] | None


@dataclass(frozen=True)
class SetStats:
    """All numbers; `spreads` by what is measured, with its unit in the name."""

    url: str
    layout: str
    crop_pixels: int
    bytes: int
    totals: Totals
    samples_read: int
    """For labels, expressions, scores and eye distances."""
    spreads: dict[str, Spread | None]
    aus: dict[int, AuRate]
    activities: dict[str, int]
    """Samples of each."""
    expressions: dict[str, int]
    """Samples of each, of those that were read."""
    frames_lost: dict[str, int]
    """By reason: frames that were decoded and are not in the set, where the ledger counts them."""

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass
class _Read:
    """Sums over the samples that were read."""

    present: Counter[tuple[int, int]] = field(default_factory=Counter)
    """By (AU, code)."""
    levels: Counter[tuple[int, int]] = field(default_factory=Counter)
    expressions: Counter[str] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)
    eye_pixels: list[float] = field(default_factory=list)
    quality: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """A sample's medians, by what the gates judge."""


def measure(url: str, on_sample: Callable[[int, int], None] | None = None) -> SetStats:
    """Count the set at `url`; `on_sample` is told (done, all) of the samples that are read.

    Raises:
        ShardError: it is no finished set, or a member is not what the index says.
    """
    manifest, table = open_set(url)
    spread = np.linspace(0, max(0, len(table) - 1), min(MOST_SAMPLES, len(table)))
    rows = to_rows(table.take(np.unique(spread.round().astype(int))))
    read = _read(url, manifest, rows, on_sample or (lambda done, total: None))
    return SetStats(
        url=url,
        layout=manifest.layout,
        crop_pixels=manifest.recipe.size,
        bytes=sum(entry.bytes for entry in (*manifest.shards, *manifest.indexes)),
        totals=manifest.totals,
        samples_read=len(rows),
        spreads=_index_spreads(table)
        | {"eye distance, pixels": Spread.of(read.eye_pixels), "detector score": Spread.of(read.scores)}
        | {f"median {name}": Spread.of(values) for name, values in sorted(read.quality.items())},
        aus={au: _rate(read, au) for au in sorted({*manifest.occurrence_aus, *manifest.intensity_aus})},
        activities=dict(sorted(Counter(a for a in table["activity"].to_pylist() if a is not None).items())),
        expressions=dict(sorted(read.expressions.items())),
        frames_lost=_frames_lost(url, manifest),
    )


def _frames_lost(url: str, manifest: Manifest) -> dict[str, int]:
    found: Counter[str] = Counter()
    for entry in manifest.failures:
        for line in storage.read_bytes(storage.join(url, entry.name)).splitlines():
            failure = json.loads(line)
            found[failure["reason"]] += failure["frames"] or 0
    return {reason: frames for reason, frames in sorted(found.items()) if frames}


def _index_spreads(table: Any) -> dict[str, Spread | None]:
    videos: dict[str, set[str]] = {}
    track_seconds: dict[tuple[str, int], tuple[float, float]] = {}
    rate = []
    lengths = table["frame_length"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    names = ("identity", "video", "track", "time_seconds")
    for identity, video, track, times in zip(*(table[name].to_pylist() for name in names), strict=True):
        videos.setdefault(identity, set()).add(video)
        first, last = track_seconds.get((video, track), (times[0], times[-1]))
        track_seconds[video, track] = (min(first, times[0]), max(last, times[-1]))
        if len(times) > 1:
            rate.append(1.0 / max(1e-9, float(np.median(np.diff(times)))))
    return {
        "videos per person": Spread.of([len(found) for found in videos.values()]),
        "seconds per track": Spread.of([last - first for first, last in track_seconds.values()]),
        "frames per sample": Spread.of(table["num_frames"].to_numpy()),
        "frames per second": Spread.of(rate),
        "bytes per frame": Spread.of(lengths),
    }


def _read(
    url: str, manifest: Manifest, rows: Sequence[SampleRow], on_sample: Callable[[int, int], None]
) -> _Read:
    read = _Read()
    with ThreadPoolExecutor(THREADS) as pool:
        for done, members in enumerate(pool.map(lambda row: _members(url, row), rows), start=1):
            _add(read, manifest, members)
            on_sample(done, len(rows))
    return read


def _members(url: str, row: SampleRow) -> dict[str, bytes]:
    names = [FACTS_MEMBER]
    names += [OCCURRENCE_MEMBER] * row.has_occurrence + [INTENSITY_MEMBER] * row.has_intensity
    return {name: read_member(url, row, name) for name in names}


def _add(read: _Read, manifest: Manifest, members: dict[str, bytes]) -> None:
    facts = json.loads(members[FACTS_MEMBER])
    if EXPRESSION_FACT in facts:
        read.expressions[str(facts[EXPRESSION_FACT])] += 1
    read.scores += [score for score in facts["score"] if score is not None]
    landmarks = np.asarray(facts["landmarks"], np.float64).reshape(-1, 5, 2)
    for name, value in facts.get(QUALITY_FACT, {}).items():
        read.quality[name] += [] if value is None else [value]
    read.eye_pixels += np.linalg.norm(landmarks[:, 1] - landmarks[:, 0], axis=1).tolist()
    for name, aus, counts in (
        (OCCURRENCE_MEMBER, manifest.occurrence_aus, read.present),
        (INTENSITY_MEMBER, manifest.intensity_aus, read.levels),
    ):
        if name in members:
            label_TA = np.load(io.BytesIO(members[name]), allow_pickle=False)
            for column, au in enumerate(aus):
                codes, frames = np.unique(label_TA[:, column], return_counts=True)
                counts.update({(au, int(code)): int(n) for code, n in zip(codes, frames, strict=True)})


def _rate(read: _Read, au: int) -> AuRate:
    shown, hidden = read.present[au, 1], read.present[au, 0]
    levels = [read.levels[au, level] for level in range(LEVELS)]
    return AuRate(
        frames=max(shown + hidden, sum(levels)),
        present=shown / (shown + hidden) if shown + hidden else None,
        levels=[count / sum(levels) for count in levels] if sum(levels) else None,
    )
