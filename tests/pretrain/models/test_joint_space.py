import torch

from pretrain.models.joint_space import FIRST_SCALE, MOST_SCALE, JointSpace


def test_both_sides_have_length_one_and_one_width() -> None:
    torch.manual_seed(0)
    space = JointSpace(6, 5, 4)
    images_BTJ, texts_CJ = space.images(torch.randn(2, 3, 6)), space.texts(torch.randn(7, 5).double())
    assert images_BTJ.shape == (2, 3, 4)
    torch.testing.assert_close(images_BTJ.norm(dim=2), torch.ones(2, 3))
    torch.testing.assert_close(texts_CJ.norm(dim=1), torch.ones(7))


def test_the_scale_nears_its_cap_and_can_leave_it() -> None:
    space = JointSpace(6, 5, 4)
    torch.testing.assert_close(space.scale, torch.tensor(FIRST_SCALE))
    with torch.no_grad():
        space.scale_logit.fill_(7.0)
    scale = space.scale
    assert 99 < scale.item() < MOST_SCALE
    scale.backward()
    assert space.scale_logit.grad > 0
