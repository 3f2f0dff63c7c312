import pytest
import torch
from torch import nn

from finetune.fit import FitConfig, TwoRates
from pretrain.optim import OptimConfig


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 3)
        self.head = nn.Linear(3, 1)

    def forward(self, x):
        return self.head(self.encoder(x))


def test_the_encoder_moves_at_its_share_of_the_rate():
    torch.manual_seed(0)
    model = Both()
    config = FitConfig(steps=10, optim=OptimConfig(learning_rate=0.01, weight_decay=0.0, warmup=0.0))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = TwoRates(model.encoder, model, config)
    norm = optimizer.step(model(torch.randn(5, 3)).square().sum(), 0)
    # The first step of Adam is as long as the rate, whatever the gradient.
    moved = {name: (tensor - before[name]).abs().max() for name, tensor in model.state_dict().items()}
    assert float(moved["head.weight"]) == pytest.approx(0.01, rel=1e-3)
    assert float(moved["encoder.weight"]) == pytest.approx(0.003, rel=1e-3)
    assert norm > 0


def test_a_frozen_encoder_stays_as_it_is():
    model = Both()
    model.encoder.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    TwoRates(model.encoder, model, FitConfig(steps=10)).step(model(torch.ones(5, 3)).square().sum(), 0)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_every_step_follows_the_rate_that_was_set():
    """In the code that AUNCE's authors released, steps after the first epoch take a rate of their own."""
    seen = {}
    for rate in (0.01, 0.02):
        model = Both()
        optimizer = TwoRates(model.encoder, model, FitConfig(steps=30, optim=OptimConfig(learning_rate=rate)))
        seen[rate] = []
        for step in range(30):
            optimizer.step(model(torch.randn(5, 3)).square().sum(), step)
            seen[rate] += [group["lr"] for one, _ in optimizer._groups for group in one.param_groups]
    assert seen[0.02] == pytest.approx([2 * rate for rate in seen[0.01]])
    assert max(seen[0.02]) == pytest.approx(0.02)


def test_messages():
    model = Both()
    optimizer = TwoRates(model.encoder, model, FitConfig())
    with pytest.raises(FloatingPointError, match="step 4: the gradient is not finite"):
        optimizer.step(model(torch.full((1, 3), float("nan"))).sum(), 4)
    with pytest.raises(ValueError, match="steps >= 1, batch >= 2 and encoder_rate > 0"):
        FitConfig(encoder_rate=0)
