import pytest
import torch

from pretrain.models.temporal import (
    CausalGru,
    FrameContext,
    FuturePredictor,
)

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


@pytest.fixture
def frame_context():
    torch.manual_seed(0)
    return FrameContext(5, 7)


def test_contexts_are_the_grus_of_projected_frames_and_can_be_carried_on(frame_context):
    pooled_BTD = torch.randn(3, 10, 5)
    whole = frame_context(pooled_BTD)
    torch.testing.assert_close(whole.features_BTH, frame_context.project(pooled_BTD))
    first = frame_context(pooled_BTD[:, :6], torch.tensor([6, 6, 4]))
    rest = frame_context(pooled_BTD[:, 6:], state_BH=first.state_BH)
    torch.testing.assert_close(rest.context_BTH[:2], whole.context_BTH[:2, 6:])
    assert not torch.allclose(rest.context_BTH[2], whole.context_BTH[2, 6:])


def test_separate_predictions_have_a_matrix_for_each_step(frame_context):
    predictor = FuturePredictor(7, 3, "separate")
    context_BTH = torch.randn(2, 4, 7)
    predicted_BTKH = predictor(context_BTH, frame_context.temporal)
    assert predicted_BTKH.shape == (2, 4, 3, 7)
    for k, head in enumerate(predictor.heads):
        torch.testing.assert_close(predicted_BTKH[:, :, k], head(context_BTH))


def test_recursive_predictions_read_on_from_what_was_predicted(frame_context):
    predictor = FuturePredictor(7, 3, "recursive")
    [head] = predictor.heads
    features_BTH = torch.randn(2, 4, 7)
    context_BTH, _ = frame_context.temporal(features_BTH)
    predicted_BTKH = predictor(context_BTH, frame_context.temporal)
    for t in range(4):
        seen_BTH = features_BTH[:, : t + 1]
        for k in range(3):
            reached_BTH, _ = frame_context.temporal(seen_BTH)
            torch.testing.assert_close(predicted_BTKH[:, t, k], head(reached_BTH[:, -1]))
            seen_BTH = torch.cat([seen_BTH, predicted_BTKH[:, t, k : k + 1]], dim=1)
