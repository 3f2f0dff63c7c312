import pytest
import torch

from pretrain.losses.sparse_regression import sparse_regression_loss


def test_loss_equals_the_equation_and_leaves_uncoded_aus_out():
    generator = torch.Generator().manual_seed(0)
    value_BTA = torch.randn(3, 4, 2, generator=generator)
    label_BTA = torch.randint(-1, 6, (3, 4, 2), generator=generator)
    chosen_BT = torch.rand(3, 4, generator=generator) < 0.5
    errors = [
        (float(value_BTA[b, t, a]) - int(label_BTA[b, t, a])) ** 2
        for b in range(3)
        for t in range(4)
        for a in range(2)
        if chosen_BT[b, t] and label_BTA[b, t, a] >= 0
    ]
    loss = sparse_regression_loss(value_BTA, label_BTA, chosen_BT)
    assert float(loss) == pytest.approx(sum(errors) / len(errors), rel=1e-6)
    assert float(sparse_regression_loss(value_BTA, label_BTA, torch.zeros_like(chosen_BT))) == 0
