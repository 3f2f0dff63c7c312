"""future_contrast against its equation, read literally in float64, and what takes no part in it."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.future_contrast import Candidates, Negatives, future_contrast

N, T, K, D, FIRST, B, TAU = 4, 5, 2, 6, 1, 2, 0.3
"""Four clips of three ranks' or more; this rank has the second and third."""
KINDS: tuple[Negatives, ...] = ("both", "temporal", "clips")


def unit(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


PREDICTED, FRAMES = unit(B, T, K, D, seed=1), unit(N, T, D, seed=2)
VALID = torch.tensor([True, True, True, False])
ALIKE = torch.zeros(B, T, N, T, dtype=torch.bool)
for b in range(B):
    ALIKE[b, range(T), FIRST + b, range(T)] = True
# The end of clip 1 is the beginning of clip 2.
for one, other in ((3, 0), (4, 1)):
    ALIKE[0, one, 2, other] = ALIKE[1, other, 1, one] = True
CANDIDATES = Candidates(FRAMES, ALIKE, VALID, FIRST)


def reference(b, negatives):
    """Loss and accuracies of one clip of this rank."""
    own, terms, temporal, clips = FIRST + b, [], [], []
    for t in range(T):
        for k in range(1, K + 1):
            if t + k >= T:
                continue

            def score(n, u, predicted=PREDICTED[b, t, k - 1]):
                return math.exp(float(predicted @ FRAMES[n, u]) / TAU)

            positive = score(own, t + k)
            in_clip = [score(own, u) for u in range(T) if u != t + k]
            elsewhere = [
                score(n, u)
                for n in range(N)
                for u in range(T)
                if n != own and VALID[n] and not ALIKE[b, t + k, n, u]
            ]
            omega = {"both": in_clip + elsewhere, "temporal": in_clip, "clips": elsewhere}[negatives]
            terms.append(-math.log(positive / (positive + sum(omega))))
            temporal.append(positive > max(in_clip))
            clips.append(positive > max(elsewhere))
    return [sum(values) / len(values) for values in (terms, temporal, clips)]


@pytest.mark.parametrize("negatives", KINDS)
def test_equals_the_equation(negatives):
    found = torch.stack(future_contrast(PREDICTED, CANDIDATES, TAU, negatives), dim=1)
    wanted = torch.tensor([reference(b, negatives) for b in range(B)], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    assert 0 < found[:, 1:].mean() < 1


def gradients(negatives, frames_NTD=FRAMES, alike_BTNT=ALIKE, valid_N=VALID):
    frames_NTD, predicted = frames_NTD.clone().requires_grad_(), PREDICTED.clone().requires_grad_()
    candidates = Candidates(frames_NTD, alike_BTNT, valid_N, FIRST)
    future_contrast(predicted, candidates, TAU, negatives).loss_B[0].backward()
    return predicted.grad, frames_NTD.grad


def test_only_the_chosen_negatives_are_touched():
    touched = {kind: (gradients(kind)[1].abs().sum(dim=2) > 0).any(dim=1).tolist() for kind in KINDS}
    assert touched == {
        "both": [True, True, True, False],
        "temporal": [False, True, False, False],
        "clips": [True, True, True, False],
    }


def test_predictions_beyond_the_clip_are_ignored():
    predicted_grad, _ = gradients("both")
    used_TK = predicted_grad[0].abs().sum(dim=2) > 0
    assert used_TK.tolist() == [[t + k < T for k in (1, 2)] for t in range(T)]


def test_the_same_picture_in_another_clip_is_no_negative():
    frames = FRAMES.clone()
    frames[2, :2] = frames[1, 3:]
    exact = 10 * frames[1, 3].expand_as(PREDICTED)
    without = torch.eye(N, dtype=torch.bool)[FIRST : FIRST + B, None, :, None] & torch.eye(
        T, dtype=torch.bool
    ).view(1, T, 1, T)
    told, untold = (
        future_contrast(exact, Candidates(frames, alike, VALID, FIRST), 0.1, "clips").clips_top1_B[0]
        for alike in (ALIKE, without)
    )
    assert told > untold == 0


def test_without_any_negative_it_is_zero_with_finite_gradients():
    only = torch.tensor([False, True, False, False])
    predicted_grad, frames_grad = gradients("clips", valid_N=only)
    assert not predicted_grad.any()
    assert not frames_grad.any()
    loss_B = future_contrast(PREDICTED, CANDIDATES._replace(valid_N=only), TAU, "clips").loss_B
    assert loss_B[0] == 0


def test_constant_features_cost_the_log_of_the_candidates_and_are_never_right():
    same = unit(1, D, seed=3)
    found = future_contrast(
        same.expand(B, T, K, D), CANDIDATES._replace(all_NUD=same.expand(N, T, D)), negatives="temporal"
    )
    assert found.loss_B.tolist() == pytest.approx([math.log(T)] * B)
    assert not found.temporal_top1_B.any()
    assert not found.clips_top1_B.any()


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="predicting 2 frames ahead needs clips of more, found 2; raise num"):
        future_contrast(PREDICTED[:, :2], CANDIDATES)
