"""Audit: whether pretraining has seen the tested people, by name, by the very frame, or by a copy of a video.

A model that has seen a tested person's face without labels is scored on people it knows. Three questions:

    people      an identity of the pretraining set has the tested person's name in the same namespace
    frames      a JPEG file of the pretraining set is one of the tested frames, byte for byte; sought in the
                indexes by CRC-32 and length, then read and compared, as CRCs of many frames meet by chance
    videos      a video of the pretraining set looks like one of a tested person (`shards.near_duplicates`,
                whose head says what that finds and what it misses)

Axes: F frames of one unit of the index, K tested frames.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.audits.result import Audit, Number
from pretrain.config import ConfigError
from pretrain.sampled import read_sampled
from shards.near_duplicates import MOST_DIFFERENCE, copies_across
from shards.tracks import TrackSet, load_tracks
from shards.unit_rows import UnitRows

MOST_READ = 2000
"""Pairs of videos with frames of equal CRC and length whose bytes are compared."""
Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class _Place:
    """A frame: row of its set, number within the row."""

    row: int
    frame: int


def audit_leakage(
    pretrain_url: str, tested_url: str, people: Collection[str], most_difference: float = MOST_DIFFERENCE
) -> Audit:
    """Look for tested people in a pretraining set.

    Args:
        pretrain_url: shard set that an encoder was pretrained on.
        tested_url: shard set of the tested people.
        people: who is tested.
        most_difference: share of bits by which the looks of copies may differ.

    Raises:
        ConfigError: some of the people are not in the set.
        ShardError: a set cannot be read.
    """
    pretrain, tested = load_tracks(pretrain_url), load_tracks(tested_url)
    if unknown := sorted(set(people) - set(tested.identities)):
        raise ConfigError(f"{tested_url} has nobody called {unknown[:5]}; give the set that the fold tests")
    same_names = pretrain.manifest.namespace == tested.manifest.namespace
    shared = sorted(set(people) & _people(pretrain)) if same_names else []
    equal, unread = _equal_frames(pretrain, tested, set(people))
    copies = copies_across(pretrain_url, tested_url, set(people), most_difference)
    lines = [f"{person} is in the pretraining set" for person in shared]
    lines += [f"frame {place} of {theirs} is a frame of {mine}" for mine, theirs, place in equal]
    lines += [f"{theirs} looks like {mine}: {share:.1%} of bits differ" for theirs, mine, share in copies]
    if not same_names:
        namespaces = pretrain.manifest.namespace, tested.manifest.namespace
        lines.append(
            f"The sets name people each for itself ({' and '.join(namespaces)}): names prove nothing."
        )
    if pretrain.manifest.recipe_digest != tested.manifest.recipe_digest:
        lines.append("The sets are cropped by other recipes: an equal picture has other bytes there.")
    if unread:
        lines.append(f"{unread} pairs of videos with equal checksums were not read: more than {MOST_READ}.")
    found = [
        text
        for text, is_there in (
            (f"{len(shared)} tested people by name", shared),
            (f"{len(equal)} videos with frames that are tested", equal),
            (f"{len(copies)} copies of tested videos", copies),
        )
        if is_there
    ]
    return Audit(
        kind="leakage",
        about=f"Whether {pretrain_url} shows the {len(set(people))} tested people of {tested_url}.",
        numbers=(
            Number("tested people in the pretraining set, by name", float(len(shared))),
            Number("pairs of videos that share a frame", float(len(equal))),
            Number("pairs of videos that look alike", float(len(copies))),
        ),
        lines=tuple(lines),
        verdict=f"LEAKAGE: {', '.join(found)}." if found else "No leakage was found.",
        failed=bool(found),
    )


def _people(tracks: TrackSet) -> set[str]:
    return {name for unit in _units(tracks) for name in unit.names["identity"].to_pylist()}


def _units(tracks: TrackSet) -> Iterator[UnitRows]:
    """One after another: a pretraining set's index need not fit in memory."""
    return (tracks.unit(unit) for unit in range(len(tracks.rows_U)))


def _codes(unit: UnitRows) -> Codes:
    """CRC-32 and length of each frame in one number `(F,)`."""
    return unit.frame_crc32_F.astype(np.uint64) << np.uint64(32) | unit.frame_length_F.astype(np.uint64)


def _equal_frames(
    pretrain: TrackSet, tested: TrackSet, people: set[str]
) -> tuple[list[tuple[str, str, str]], int]:
    """Tested video, pretraining video and frame of each pair that shares one; and how many were not read."""
    place_of: dict[int, _Place] = {}
    for number, unit in enumerate(_units(tested)):
        codes_F = _codes(unit)
        for row, person in enumerate(unit.names["identity"].to_pylist()):
            if person in people:
                for frame, code in enumerate(codes_F[unit.frames_of(row)].tolist()):
                    place_of.setdefault(code, _Place(int(tested.first_row_U[number]) + row, frame))
    wanted_K = np.array(sorted(place_of), np.uint64)
    pairs: dict[tuple[str, str], tuple[_Place, _Place]] = {}
    for number, unit in enumerate(_units(pretrain)):
        codes_F = _codes(unit)
        videos = unit.names["video"].to_pylist()
        for at in np.flatnonzero(np.isin(codes_F, wanted_K)).tolist():
            row = int(np.searchsorted(unit.frame_start_N, at, side="right")) - 1
            mine = place_of[int(codes_F[at])]
            pair = tested.videos[mine.row], str(videos[row])
            theirs = _Place(int(pretrain.first_row_U[number]) + row, at - int(unit.frame_start_N[row]))
            pairs.setdefault(pair, (mine, theirs))
    chosen = list(pairs.items())[:MOST_READ]
    if not chosen:
        return [], 0
    mine_of = _jpegs(tested, [mine for _, (mine, _) in chosen])
    theirs_of = _jpegs(pretrain, [theirs for _, (_, theirs) in chosen])
    equal = [
        (*pair, f"{pretrain.key(theirs.row)}:{theirs.frame}")
        for pair, (mine, theirs) in chosen
        if mine_of[mine] == theirs_of[theirs]
    ]
    return equal, len(pairs) - len(chosen)


def _jpegs(tracks: TrackSet, places: list[_Place]) -> dict[_Place, bytes]:
    found = read_sampled(tracks, [(place.row, place.frame) for place in places]).jpeg_at
    if missing := [place for place in places if (place.row, place.frame) not in found]:
        raise ConfigError(
            f"{tracks.url}: {len(missing)} frames to compare cannot be read, the first in "
            f"{tracks.key(missing[0].row)}; run `python -m shards verify`"
        )
    return {place: found[place.row, place.frame] for place in places}
