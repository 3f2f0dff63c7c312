"""The schedule against its formula, and which parameters are decayed."""

import math

import pytest
import torch
from torch import nn

from pretrain.optim import OptimConfig, build_optimizer, learning_rate_at


@pytest.mark.parametrize("steps", [1, 2, 7, 400])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
def test_rate_rises_linearly_then_follows_a_half_cosine(steps, warmup):
    config = OptimConfig(learning_rate=3.0, warmup=warmup)
    warm = max(1, round(warmup * steps))
    for step in range(steps):
        if step < warm:
            wanted = 3.0 * (step + 1) / warm
        else:
            wanted = 3.0 * math.cos(math.pi / 2 * (step - warm) / max(1, steps - warm)) ** 2
        assert learning_rate_at(step, steps, config) == pytest.approx(wanted, abs=1e-12)


def test_rate_peaks_once_and_never_leaves_its_range():
    config = OptimConfig(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate_at(step, 100, config) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(0.1)
    assert 0 < rates[-1] < 1e-3
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_the_rate_of_a_step_past_the_end_is_zero():
    assert learning_rate_at(120, 100, OptimConfig()) == pytest.approx(0.0, abs=1e-12)


def test_matrices_are_decayed_and_vectors_are_not():
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.LayerNorm(4), nn.Linear(4, 2), nn.Linear(2, 2))
    model[3].requires_grad_(False)
    config = OptimConfig(learning_rate=0.5, weight_decay=0.25, beta1=0.8, beta2=0.9)
    optimizer = build_optimizer(model.named_parameters(), config)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decay.get(id(parameter)) for name, parameter in model.named_parameters()} == {
        "0.weight": 0.25,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "2.weight": 0.25,
        "2.bias": 0.0,
        "3.weight": None,
        "3.bias": None,
    }
    assert all((group["lr"], group["betas"]) == (0.5, (0.8, 0.9)) for group in optimizer.param_groups)


def test_a_model_of_vectors_only_has_no_empty_group():
    optimizer = build_optimizer([("bias", nn.Parameter(torch.zeros(3)))], OptimConfig())
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


@pytest.mark.parametrize(
    "numbers", [{"learning_rate": 0.0}, {"learning_rate": -1.0}, {"warmup": 1.0}, {"warmup": -0.1}]
)
def test_senseless_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match=r"optim needs learning_rate > 0 and 0 <= warmup < 1, found"):
        OptimConfig(**numbers)
