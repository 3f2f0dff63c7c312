"""Which ranks and steps are named, and when a run goes on."""

import pytest
import torch

from pretrain.errors import NotFiniteError
from pretrain.not_finite import MOST_IN_A_ROW, FiniteWatch, OnNotFinite
from pretrain.world import Alone, Group
from tests.ranks import run_ranks


def watched(watch: FiniteWatch, bad: set[int], steps: range, loss: float = torch.nan) -> None:
    for step in steps:
        watch.note(torch.tensor(loss if step in bad else 1.0), torch.tensor(step not in bad))


def message(watch: FiniteWatch, step: int) -> str:
    with pytest.raises(NotFiniteError) as caught:
        watch.check(step)
    return str(caught.value)


def on_rank(rank: int) -> str:
    watch = FiniteWatch(Group(), "stop")
    for step in range(11, 21):
        bad = step in (13, 14, 17)
        loss = torch.nan if rank == 1 and bad else 1.0
        watch.note(torch.tensor(loss), torch.tensor(not bad))
    return message(watch, 20)


def test_ranks_and_steps_are_named_on_all_ranks():
    one, other = run_ranks(on_rank, 2)
    assert one == other
    assert one.startswith(
        "gradient not finite in steps 13..14, 17; loss not finite on rank 1 in steps 13..14, 17. "
    )
    assert "the last checkpoint is good: run.on_not_finite=skip goes on without such steps" in one


def test_a_gradient_that_overflows_by_itself_is_told_apart():
    watch = FiniteWatch(Alone(), "stop")
    watched(watch, {3}, range(1, 5), loss=1.0)
    assert message(watch, 4).startswith("gradient not finite in step 3; each rank's loss was finite. ")


@pytest.mark.parametrize("on_not_finite", ["stop", "skip"])
def test_finite_steps_pass(on_not_finite: OnNotFinite):
    watch = FiniteWatch(Alone(), on_not_finite)
    watched(watch, set(), range(1, 5))
    assert watch.check(4) == {"optim/skipped_updates": 0.0}


def test_skipped_steps_are_counted_per_interval():
    watch = FiniteWatch(Alone(), "skip")
    watched(watch, {2, 4}, range(1, 5))
    assert watch.check(4) == {"optim/skipped_updates": 2.0}
    watched(watch, set(), range(5, 7))
    assert watch.check(6) == {"optim/skipped_updates": 0.0}


def test_too_many_in_a_row_end_a_run_that_skips_also_over_log_steps():
    watch = FiniteWatch(Alone(), "skip")
    first = MOST_IN_A_ROW // 2 + 1
    watched(watch, set(range(2, first + 1)), range(1, first + 1))
    watch.check(first)
    last = MOST_IN_A_ROW + 1
    watched(watch, set(range(first + 1, last)), range(first + 1, last))
    watch.check(last - 1)
    watched(watch, {last}, range(last, last + 1))
    assert f"that is {MOST_IN_A_ROW} updates in a row" in message(watch, last)
