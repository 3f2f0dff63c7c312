"""What the contrasts of AUs share: means over AUs, and what is refused; by every one of them."""

import pytest
import torch

from pretrain.losses.au_contrast import au_contrast_loss
from pretrain.losses.au_groups import mean_over_aus
from pretrain.losses.info_nce import info_nce_loss
from pretrain.losses.sup_con import sup_con_loss


def aunce(vectors_NAD, label_NA):
    return au_contrast_loss(vectors_NAD, label_NA, torch.ones_like(label_NA), torch.ones(label_NA.shape))


EVERY_LOSS = pytest.mark.parametrize("loss", [aunce, info_nce_loss, sup_con_loss])


def test_aus_count_alike_however_many_anchors_they_have():
    losses = [[torch.tensor([1.0, 3.0])], [], [torch.tensor([4.0]), torch.tensor([8.0, 6.0])]]
    vectors = torch.zeros(1, requires_grad=True)
    assert mean_over_aus(losses, None, vectors).item() == (2 + 6) / 2
    assert mean_over_aus(losses, torch.tensor([3.0, 5.0, 0.5]), vectors).item() == (6 + 3) / 2


@EVERY_LOSS
def test_a_batch_without_labels_gives_zero_and_a_gradient_of_zero(loss):
    vectors_NAD = torch.randn(4, 2, 3, requires_grad=True)
    found = loss(vectors_NAD, torch.full((4, 2), -1))
    found.backward()
    assert found.item() == 0
    assert (vectors_NAD.grad == 0).all()


@EVERY_LOSS
def test_what_is_not_two_views_of_labelled_images_is_refused(loss):
    vectors_NAD, label_NA = torch.randn(12, 3, 5), torch.randint(0, 2, (6, 3)).repeat(2, 1)
    with pytest.raises(ValueError, match=r"shape \(vectors, AUs\) wanted, found \(12, 3, 5\)"):
        loss(vectors_NAD, label_NA[:, :2])
    with pytest.raises(ValueError, match="two views of each image wanted, found 11 vectors"):
        loss(vectors_NAD[:11], label_NA[:11])
    other_NA = label_NA.clone()
    other_NA[0, 0] = 1 - other_NA[0, 0]
    with pytest.raises(ValueError, match=r"must have its labels, found others; give label_BA\.repeat"):
        loss(vectors_NAD, other_NA)
