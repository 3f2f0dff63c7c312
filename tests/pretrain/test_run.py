"""The config section `run`: what is refused, and what it means for checkpoints."""

import pytest

from pretrain.retention import Retention
from pretrain.run import RunConfig


@pytest.mark.parametrize("name", ["steps", "global_batch", "log_every", "save_every", "keep_checkpoints"])
def test_run_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"each number under run must be at least 1, found .*{name}=0"):
        RunConfig(url="x", **{name: 0})


def test_what_is_kept_for_ever_must_be_saved():
    wanted = Retention(2, 2000, "loss/total", "lowest")
    assert RunConfig(url="x", keep_every=2000, keep_best="loss/total").retention == wanted
    with pytest.raises(ValueError, match=r"run.keep_every=1500 must be a multiple of run.save_every=1000"):
        RunConfig(url="x", keep_every=1500)


def test_each_step_and_rank_draws_numbers_of_its_own():
    run = RunConfig(url="x", seed=3)
    seeds = [run.seed_of(step, rank) for step in range(20) for rank in range(4)]
    assert len({*seeds, RunConfig(url="x", seed=4).seed_of(0, 0)}) == 81
    assert seeds[5] == RunConfig(url="x", seed=3).seed_of(1, 1)
    with pytest.raises(ValueError, match=r"run.seed must be at least 0, found -1"):
        RunConfig(url="x", seed=-1)
