"""The memory: first in, first out, tagged, safe to read; and the rules that size it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretrain.memory import EMPTY, Memory, planned_slots


@given(st.integers(1, 9), st.lists(st.integers(0, 12), max_size=6))
def test_holds_the_newest_in_a_ring(slots, sizes):
    memory, pushed = Memory(slots, 1), []
    for size in sizes:
        new = list(range(len(pushed), len(pushed) + size))
        memory.enqueue(
            torch.tensor(new, dtype=torch.float32).view(-1, 1), torch.tensor(new, dtype=torch.int64)
        )
        pushed += new
        vectors_KD, identity_K = memory.read()
        held = identity_K[identity_K != EMPTY].tolist()
        assert sorted(held) == pushed[-slots:]
        assert vectors_KD[identity_K != EMPTY].flatten().tolist() == held
        assert memory.is_full == (len(pushed) >= slots)


def test_reading_is_not_changed_by_later_writes():
    memory = Memory(2, 3)
    before, _ = memory.read()
    memory.enqueue(torch.ones(2, 3), torch.tensor([1, 2]))
    assert not before.any()


@pytest.mark.parametrize(("steps", "slots"), [(100, 5 * 64), (400, 20 * 64), (100_000, 4096)])
def test_memory_is_full_after_a_twentieth_of_the_run(steps, slots):
    assert planned_slots(steps, 64) == slots
