import math

import pytest
import torch

from pretrain.losses.sparse_ordinal import sparse_ordinal_loss


def test_it_equals_the_equation_and_leaves_uncoded_aus_out():
    generator = torch.Generator().manual_seed(0)
    logit_BTAK = torch.randn(3, 4, 2, 5, generator=generator)
    label_BTA = torch.randint(-1, 6, (3, 4, 2), generator=generator)
    chosen_BT = torch.rand(3, 4, generator=generator) < 0.5
    errors = []
    for b, t in chosen_BT.nonzero().tolist():
        for a in range(2):
            if label_BTA[b, t, a] >= 0:
                p = [1 / (1 + math.exp(-float(logit))) for logit in logit_BTAK[b, t, a]]
                reached = [int(label_BTA[b, t, a]) >= level for level in range(1, 6)]
                errors.append(-sum(math.log(q if yes else 1 - q) for q, yes in zip(p, reached, strict=True)))
    loss = sparse_ordinal_loss(logit_BTAK, label_BTA, chosen_BT)
    assert float(loss) == pytest.approx(sum(errors) / len(errors), rel=1e-6)
    assert float(sparse_ordinal_loss(logit_BTAK, label_BTA, torch.zeros_like(chosen_BT))) == 0


def test_each_label_has_the_outputs_that_fit_it_best():
    label_BTA = torch.arange(6).view(1, 6, 1)
    everywhere = torch.ones(1, 6, dtype=torch.bool)
    logit_BTAK = torch.zeros(1, 6, 1, 5, requires_grad=True)
    optimizer = torch.optim.SGD([logit_BTAK], lr=20.0)
    for _ in range(200):
        optimizer.zero_grad()
        sparse_ordinal_loss(logit_BTAK, label_BTA, everywhere).backward()
        optimizer.step()
    torch.testing.assert_close(logit_BTAK.sigmoid().sum(dim=3), label_BTA.float(), atol=0.05, rtol=0)
