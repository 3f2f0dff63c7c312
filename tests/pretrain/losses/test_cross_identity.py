"""Cross-identity reconstruction against its equations in float64, and what must never leak."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.cross_identity import rebuild, reconstruction_l2, reconstruction_nce


def unit(*shape, seed=0):
    return F.normalize(
        torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1
    )


QUERY = unit(2, 3, 6, seed=1)
MEMORY = unit(8, 6, seed=2)
OWNERS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
PEOPLE = torch.tensor([1, 3])


def rebuilt_by_hand(query_D, person, tau):
    others = [j for j in range(len(MEMORY)) if int(OWNERS[j]) != person]
    weights = [math.exp(float(query_D @ MEMORY[j]) / tau) for j in others]
    mixture = sum(w / sum(weights) * MEMORY[j] for w, j in zip(weights, others, strict=True))
    return mixture / mixture.norm()


def test_rebuild_equals_the_equation():
    result = rebuild(QUERY, PEOPLE, MEMORY, OWNERS, 0.05)
    for b in range(2):
        for t in range(3):
            wanted = rebuilt_by_hand(QUERY[b, t], int(PEOPLE[b]), 0.05)
            assert torch.allclose(result.rebuilt_BTD[b, t], wanted, atol=1e-12)
    assert result.masked_share_B.tolist() == [0.25, 0.25]


def test_the_persons_own_frames_have_no_influence():
    changed = MEMORY.clone()
    changed[OWNERS == 1] = unit(2, 6, seed=9)
    before = rebuild(QUERY, PEOPLE, MEMORY, OWNERS).rebuilt_BTD[0]
    assert torch.equal(rebuild(QUERY, PEOPLE, changed, OWNERS).rebuilt_BTD[0], before)


def test_a_memory_of_only_that_person_gives_zero_and_no_gradient():
    query = QUERY.clone().requires_grad_()
    result = rebuild(query, PEOPLE, MEMORY, torch.ones(8, dtype=torch.int64))
    assert not result.rebuilt_BTD[0].any()
    assert result.masked_share_B.tolist() == [1.0, 0.0]
    result.rebuilt_BTD.sum().backward()
    assert not query.grad[0].any()
    assert torch.isfinite(query.grad).all()


def test_the_control_sees_the_persons_own_frames_only():
    own = rebuild(QUERY, PEOPLE, MEMORY, OWNERS, 0.05, "same_person")
    changed = MEMORY.clone()
    changed[OWNERS == 2] = unit(2, 6, seed=9)
    assert torch.equal(
        rebuild(QUERY, PEOPLE, changed, OWNERS, 0.05, "same_person").rebuilt_BTD, own.rebuilt_BTD
    )
    slots = MEMORY[OWNERS == 1]
    weights = (QUERY[0, 0] @ slots.T / 0.05).softmax(dim=0)
    assert torch.allclose(own.rebuilt_BTD[0, 0], F.normalize(weights @ slots, dim=0), atol=1e-12)
    assert own.masked_share_B.tolist() == [0.75, 0.75]


def test_entropy_spans_one_frame_to_all():
    same = MEMORY[:1].expand(8, 6)
    assert rebuild(QUERY, PEOPLE, same, OWNERS).entropy_B.tolist() == pytest.approx([math.log(6)] * 2)
    sharp = rebuild(MEMORY[4:5][None].expand(2, 3, 6), PEOPLE, MEMORY, OWNERS, 0.001)
    assert sharp.entropy_B.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_l2_is_the_squared_distance():
    key = unit(2, 3, 6, seed=4)
    wanted = (QUERY - key).square().sum(dim=2).mean(dim=1)
    assert torch.allclose(reconstruction_l2(QUERY, key), wanted)


def test_nce_equals_the_equation():
    key, tau = unit(2, 3, 6, seed=4), 0.1
    for b in range(2):
        terms = []
        for t in range(3):
            scores = [math.exp(float(QUERY[b, t] @ key[b, other]) / tau) for other in range(3)]
            terms.append(-math.log(scores[t] / sum(scores)))
        assert float(reconstruction_nce(QUERY, key, tau)[b]) == pytest.approx(sum(terms) / 3)
