"""The order as `python -m shards order` prints it: equal for any ranks, workers and start."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from pretrain.objectives.clp import ClpConfig
from shards.batch import DEFAULT_CLIP
from shards.errors import ShardError
from shards.order import OrderRequest, order
from shards.plan import Plan
from shards.policies import AnyOrder
from shards.stream import stream_clips
from shards.tracks import load_tracks
from tests.drawn_set import write_set


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> OrderRequest:
    folder = tmp_path_factory.mktemp("drawn")
    url = str(folder / "set")
    write_set(url, folder / "tars", people=8, samples_per_person=2, frames=48, units=3, size=16)
    return OrderRequest(url, global_batch=4, ranks=1, workers=1, start_step=0, steps=6, seed=3)


@pytest.fixture(scope="module")
def whole(asked):
    return list(order(asked))


@pytest.mark.parametrize(("ranks", "workers"), [(1, 3), (2, 1), (2, 2), (4, 2)])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_ranks_workers_and_start_change_nothing(asked, whole, ranks, workers, start):
    request = replace(asked, ranks=ranks, workers=workers, start_step=start, steps=6 - start)
    assert list(order(request)) == whole[start:]


def test_it_is_the_plan_that_pretraining_follows(asked, whole):
    assert ClpConfig().clip_spec == DEFAULT_CLIP
    assert ClpConfig().batch_policy == asked.policy
    tracks = load_tracks(asked.url)
    plan = Plan(tracks, ClpConfig().clip_spec, 4, 3, ClpConfig().batch_policy)
    batches = stream_clips(tracks, plan)
    for entry in whole:
        step, clips = next(batches)
        assert entry["step"] == step
        assert entry["frames"] == [
            f"{tracks.keys[row]}#{frame}"
            for clip in plan.batch(step)
            for row, frame in zip(clip.rows_T, clip.frames_T, strict=True)
        ]
        pixels = np.ascontiguousarray(clips.frames_BTHWC).tobytes()
        assert entry["pixels_sha256"] == hashlib.sha256(pixels).hexdigest()


def test_an_epoch_names_every_sample_once(asked, whole):
    # 16 samples in batches of 4.
    first = [{frame.partition("#")[0] for frame in entry["frames"]} for entry in whole[:4]]
    assert sorted(key for keys in first for key in keys) == sorted(load_tracks(asked.url).keys)


def test_another_seed_or_policy_is_another_order(asked, whole):
    assert list(order(replace(asked, seed=4))) != whole
    assert list(order(replace(asked, policy=AnyOrder()))) != whole


def test_what_cannot_be_ordered_is_refused(asked, tmp_path):
    with pytest.raises(ValueError, match=r"4 clips does not divide by 3 ranks"):
        list(order(replace(asked, ranks=3)))
    with pytest.raises(ShardError, match=r"not a shard set"):
        list(order(replace(asked, url=str(tmp_path))))
