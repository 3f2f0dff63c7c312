"""Mixes of sets: fixed quotas, an epoch of its own for each, the same for any ranks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import storage
from shards.batch import ClipSpec
from shards.errors import ManifestMismatchError, ShardError
from shards.mix import MixedPlan
from shards.plan import Plan, refuse_other_order
from shards.policies import DistinctIdentity
from shards.schema import MANIFEST_NAME
from shards.stream import stream_clips
from shards.tracks import load_tracks
from tests.drawn_set import write_set
from tests.planned_set import PlannedRows, people_in_turn

SPEC = ClipSpec(4, (0.08, 0.16), extra_frames=2)


def plans(rows: list[int], quotas: list[int]) -> list[Plan]:
    sets = [people_in_turn([count], count) for count in rows]
    return [
        Plan(made, SPEC, quota, number, DistinctIdentity())
        for number, (made, quota) in enumerate(zip(sets, quotas, strict=True))
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), min_size=1, max_size=3), st.integers(0, 9))
def test_each_set_has_its_quota_and_its_epochs(shape, seed):
    rows, quotas = ([pair[place] for pair in shape] for place in (0, 1))
    mix = MixedPlan(plans(rows, quotas), seed)
    steps = 2 * max(rows)
    batches = [mix.share(step, 0, 1) for step in range(steps)]
    for batch in batches:
        assert [sum(clip.source == number for clip in batch) for number in range(len(rows))] == quotas
    clips = [clip for batch in batches for clip in batch]
    assert [clip.position for clip in clips] == list(range(sum(quotas) * steps))
    for number, (count, quota) in enumerate(zip(rows, quotas, strict=True)):
        alone = [clip for step in range(steps) for clip in plans(rows, quotas)[number].batch(step)]
        mine = sorted((clip.augment_seed, clip.row) for clip in clips if clip.source == number)
        assert mine == sorted((clip.augment_seed, clip.row) for clip in alone)
        first_epoch = [clip.row for clip in alone[:count]]
        assert sorted(first_epoch) == list(range(count))
        assert quota == mix.global_batch - sum(quotas) + quota


@pytest.mark.parametrize("ranks", [2, 3, 6])
def test_ranks_share_one_global_batch(ranks):
    mix = MixedPlan(plans([7, 20], [2, 4]), seed=3)
    for step in range(5):
        parts = [clip for rank in range(ranks) for clip in mix.share(step, rank, ranks)]
        whole = mix.share(step, 0, 1)
        assert [(clip.position, clip.source, clip.row, clip.augment_seed) for clip in parts] == [
            (clip.position, clip.source, clip.row, clip.augment_seed) for clip in whole
        ]
        assert [clip.frames_T.tolist() for clip in parts] == [clip.frames_T.tolist() for clip in whole]
    orders = [[clip.source for clip in mix.share(step, 0, 1)] for step in range(9)]
    assert len({tuple(order) for order in orders}) > 1


def test_what_cannot_hold_the_clip_is_counted_over_all_sets():
    short, long = people_in_turn([3], 3, frames=4), people_in_turn([5], 5)
    mixed = PlannedRows([*short.made, *long.made])
    mix = MixedPlan([Plan(mixed, SPEC, 2), Plan(long, SPEC, 2)])
    assert mix.too_short == 3


def test_another_mix_is_refused_naming_each_difference():
    stored = MixedPlan(plans([7, 20], [2, 4])).describe()
    refuse_other_order(stored, MixedPlan(plans([7, 20], [2, 4])))
    with pytest.raises(ManifestMismatchError, match=r"1\.global_batch: 4 -> 3"):
        refuse_other_order(stored, MixedPlan(plans([7, 20], [2, 3])))
    with pytest.raises(ManifestMismatchError, match="sets: 2 -> 3"):
        refuse_other_order(stored, MixedPlan(plans([7, 20, 5], [2, 4, 1])))
    with pytest.raises(ValueError, match="clips of one kind"):
        MixedPlan([*plans([7], [2]), Plan(people_in_turn([5], 5), ClipSpec(3), 2)])


def test_a_mix_streams_the_clips_of_its_sets(tmp_path: Path) -> None:
    urls = [str(tmp_path / name) for name in ("one", "other")]
    for number, url in enumerate(urls):
        write_set(url, tmp_path / f"tars{number}", people=3 + number, labelled=bool(number))
    sets = [load_tracks(url) for url in urls]
    mix = MixedPlan([Plan(sets[0], SPEC, 2, 1), Plan(sets[1], SPEC, 4, 2)])
    quotas = ((sets[0], 2, 1), (sets[1], 4, 2))
    alone = [dict(stream(tracks, Plan(tracks, SPEC, quota, seed))) for tracks, quota, seed in quotas]
    for (step, clips), _ in zip(stream_clips(sets, mix), range(4), strict=False):
        assert clips.occurrence_BTA is None  # the first set has no labels
        for slot, planned in enumerate(mix.share(step, 0, 1)):
            assert clips.provenance_B[slot].startswith(urls[planned.source])
            pixels = alone[planned.source][step][planned.augment_seed]
            np.testing.assert_array_equal(clips.frames_BTHWC[slot], pixels)


def stream(tracks, plan):
    for (step, clips), _ in zip(stream_clips(tracks, plan), range(4), strict=False):
        yield step, dict(zip(clips.augment_seed_B.tolist(), clips.frames_BTHWC, strict=True))


def test_sets_of_other_crops_do_not_mix(tmp_path: Path) -> None:
    urls = [str(tmp_path / name) for name in ("one", "other")]
    for number, url in enumerate(urls):
        manifest = write_set(url, tmp_path / f"tars{number}")
    recipe = replace(manifest.recipe, version=2)
    changed = replace(manifest, recipe=recipe, recipe_digest=recipe.digest)
    storage.write_bytes(f"{urls[1]}/{MANIFEST_NAME}", changed.to_json().encode())
    sets = [load_tracks(url) for url in urls]
    mix = MixedPlan([Plan(tracks, SPEC, 2) for tracks in sets])
    with pytest.raises(ShardError, match="sets of a mix need one crop recipe"):
        next(stream_clips(sets, mix))
