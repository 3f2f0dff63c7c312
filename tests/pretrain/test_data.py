"""What pretraining reads: one set, or several by quota."""

from pathlib import Path

import pytest

from pretrain.config import ConfigError
from pretrain.data import AlsoConfig, DataConfig, make_plan, open_sets
from shards.batch import ClipSpec
from shards.forget import forget
from shards.mix import MixedPlan
from shards.plan import Plan
from shards.policies import AnyOrder
from tests.drawn_set import write_set

SPEC = ClipSpec(4, (0.08, 0.12))


@pytest.fixture
def urls(tmp_path: Path) -> list[str]:
    found = [str(tmp_path / name) for name in ("one", "other")]
    for number, url in enumerate(found):
        write_set(url, tmp_path / f"tars{number}")
    return found


def test_one_set_is_planned_alone_and_more_by_their_quotas(urls: list[str]) -> None:
    config = DataConfig(urls[0])
    alone = make_plan(open_sets(config), config, SPEC, AnyOrder(), 8, 1)
    assert isinstance(alone, Plan)
    config = DataConfig(urls[0], [AlsoConfig(urls[1], 3)])
    mix = make_plan(open_sets(config), config, SPEC, AnyOrder(), 8, 1)
    assert isinstance(mix, MixedPlan)
    assert sorted(clip.source for clip in mix.share(0, 0, 1)) == [0] * 5 + [1] * 3


def test_a_run_that_goes_on_leaves_out_whom_it_left_out_at_its_start(urls: list[str]) -> None:
    forget(urls[1], "person1")
    config = DataConfig(urls[0], [AlsoConfig(urls[1], 3)])
    order = make_plan(open_sets(config), config, SPEC, AnyOrder(), 8, 1).describe()
    forget(urls[0], "person2")
    forget(urls[1], "person2")
    assert [len(tracks) for tracks in open_sets(config, order)] == [12, 10]
    assert [int(tracks.withheld.sum()) for tracks in open_sets(config, order)] == [2, 2]
    assert [len(tracks) for tracks in open_sets(config)] == [10, 8]


def test_quotas_leave_clips_for_the_first_set(urls: list[str]) -> None:
    config = DataConfig(urls[0], [AlsoConfig(urls[1], 8)])
    with pytest.raises(ConfigError, match="takes 8 clips of each batch of 8 and leaves none"):
        make_plan(open_sets(config), config, SPEC, AnyOrder(), 8, 1)
    with pytest.raises(ValueError, match="at least 1 clip of each set"):
        DataConfig(urls[0], [AlsoConfig(urls[1], 0)])
