"""All ranks stop after the same step, whoever was asked."""

import os
import signal

from pretrain.stop import Stop, asked_by_signal
from pretrain.world import Alone, Group
from tests.ranks import run_ranks


def stopped_after(rank: int, asked_rank: int, asked_step: int) -> int:
    step = 0
    stop = Stop(Group(), lambda: rank == asked_rank and step == asked_step)
    while not stop():
        step += 1
    return step


def test_all_ranks_stop_one_step_after_one_of_them_was_asked():
    assert run_ranks(stopped_after, 3, 1, 4) == [5, 5, 5]


def test_a_process_alone_stops_as_a_group_does():
    answers = iter([False, True, False])
    stop = Stop(Alone(), lambda: next(answers))
    assert [stop(), stop(), stop()] == [False, False, True]


def test_a_signal_asks_and_is_handled_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with asked_by_signal() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked()
    assert signal.getsignal(signal.SIGTERM) == before
