import pytest
import torch

from pretrain.models.temporal import CausalGru

torch.set_num_threads(1)


@pytest.fixture
def gru():
    torch.manual_seed(0)
    return CausalGru(5, 7)


def test_a_later_frame_has_no_influence(gru):
    features_BTD = torch.randn(2, 6, 5, requires_grad=True)
    context_BTH, _ = gru(features_BTD)
    context_BTH[:, 3].sum().backward()
    assert (features_BTD.grad[:, 4:] == 0).all()
    assert (features_BTD.grad[:, :4].abs().sum(dim=2) > 0).all()


def test_pieces_with_carried_state_equal_the_whole_track(gru):
    features_BTD = torch.randn(3, 10, 5)
    whole_BTH, last_BH = gru(features_BTD)
    num_frames_B = torch.tensor([4, 2, 0])
    first_BTH, state_BH = gru(features_BTD[:, :4], num_frames_B)
    rest_BTD = torch.stack([features_BTD[i, n : n + 6] for i, n in enumerate(num_frames_B)])
    second_BTH, end_BH = gru(rest_BTD, None, state_BH)
    torch.testing.assert_close(first_BTH[0], whole_BTH[0, :4])
    torch.testing.assert_close(second_BTH[1], whole_BTH[1, 2:8])
    torch.testing.assert_close(second_BTH[2], whole_BTH[2, :6])
    torch.testing.assert_close(end_BH[0], last_BH[0])
