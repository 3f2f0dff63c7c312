"""The momentum encoder: follows named weights slowly, and normalises by batch as the student does."""

import pytest
import torch
from torch import nn

from pretrain.momentum import MomentumEncoder, planned_momentum


@pytest.mark.parametrize(("steps", "momentum"), [(10, 0.5), (500, 0.98), (10_000, 0.999), (100_000, 0.999)])
def test_momentum_follows_the_run(steps, momentum):
    assert planned_momentum(steps) == pytest.approx(momentum)


def test_it_moves_its_share_towards_the_weights_and_starts_as_a_copy():
    student = nn.Linear(2, 2)
    teacher = MomentumEncoder(student, 0.75)
    start = {name: weight.clone() for name, weight in student.named_parameters()}
    teacher.follow((f"student.{name}", weight + 1.0) for name, weight in start.items())
    for name, weight in teacher.module.named_parameters():
        torch.testing.assert_close(weight, start[name] + 0.25)
        assert not weight.requires_grad
    assert torch.equal(student.weight, start["weight"])


def test_it_normalises_by_the_batch_and_does_not_drop_out():
    layers = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
    frames = torch.rand(4, 3, 5, 5) * 9
    out = MomentumEncoder(layers.train(), 0.9)(frames)
    assert out.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert not (out == 0).any()
