"""MoCo's loss against its equation in float64, and what takes no part in it."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.queue_contrast import queue_contrast


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


QUERY, KEY, QUEUE = unit(3, 6, seed=1), unit(3, 6, seed=2), unit(5, 6, seed=3)


def test_it_equals_the_equation_and_leaves_empty_slots_out():
    filled = torch.tensor([True, True, False, True, False])
    found = queue_contrast(QUERY, KEY, QUEUE, filled, 0.2)
    for n in range(3):
        positive = math.exp(float(QUERY[n] @ KEY[n]) / 0.2)
        negative = sum(math.exp(float(QUERY[n] @ QUEUE[k]) / 0.2) for k in range(5) if filled[k])
        assert float(found[n]) == pytest.approx(-math.log(positive / (positive + negative)))


def test_an_empty_queue_teaches_nothing():
    query = QUERY.clone().requires_grad_()
    loss = queue_contrast(query, KEY, QUEUE, torch.zeros(5, dtype=torch.bool))
    loss.sum().backward()
    assert not loss.any()
    assert not query.grad.any()


def test_keys_and_queue_get_no_gradient():
    query, key, queue = (value.clone().requires_grad_() for value in (QUERY, KEY, QUEUE))
    queue_contrast(query, key, queue, torch.ones(5, dtype=torch.bool)).sum().backward()
    assert query.grad is not None
    assert key.grad is None
    assert queue.grad is None
