"""Memory comes back when the last reference is gone, and not before."""

import gc

import numpy as np
import torch

from shards.buffers import Buffers


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_when_nothing_refers_to_it():
    buffers = Buffers()
    first = buffers.array((4, 3))
    where = address(first)
    assert first.flags.writeable
    assert address(buffers.array((4, 3))) != where
    del first
    assert where in {address(one) for one in [buffers.array((3, 4)), buffers.array((12,))]}
    assert address(buffers.array((5,))) != where


def test_views_slices_and_tensors_hold_it():
    for derive in (
        lambda array: array[1:],
        lambda array: array.reshape(-1)[::2],
        lambda array: array.view()[0],
        lambda array: np.asarray(array.T),
        torch.from_numpy,
        lambda array: torch.from_numpy(array[2:])[0],
        memoryview,
    ):
        buffers = Buffers()
        array = buffers.array((4, 6))
        where, held = address(array), derive(array)
        del array
        gc.collect()
        others = [buffers.array((4, 6)) for _ in range(3)]
        assert where not in [address(one) for one in others]
        del held
        gc.collect()
        assert where == address(buffers.array((4, 6)))
