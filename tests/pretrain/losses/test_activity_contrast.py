"""The contrast by activity against its equation in float64, its closed forms, and what is left out."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.losses.activity_contrast import activity_contrast
from pretrain.losses.nt_xent import nt_xent

TAU = 0.2
ACTIVITY_M = torch.tensor([7, 3, 7, 3, 9, 7])
PERSON_M = torch.tensor([1, 1, 2, 2, 1, 1])
VALID_M = torch.tensor([True, True, True, False, True, True])


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def literal(views_VMD: Tensor, frame: int, same_person: bool) -> float:
    """The equation, one pair at a time, mean over the frame's two views."""
    a, person, valid = ACTIVITY_M.tolist(), PERSON_M.tolist(), VALID_M.tolist()

    def counts(view: int, j: int, w: int) -> bool:
        if (w, j) == (view, frame) or not valid[j]:
            return False
        return same_person or not (a[j] == a[frame] and person[j] == person[frame])

    found = []
    for view in (0, 1):
        anchor = views_VMD[view, frame]
        pairs = [(w, j) for w in (0, 1) for j in range(len(a)) if counts(view, j, w)]
        e = {pair: math.exp(float(anchor @ views_VMD[pair]) / TAU) for pair in pairs}
        positives = [pair for pair in pairs if a[pair[1]] == a[frame]]
        logs = [math.log(e[pair] / sum(e.values())) for pair in positives]
        found.append(-sum(logs) / len(logs) if logs else 0.0)
    return sum(found) / 2


@pytest.mark.parametrize("same_person", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_equation_also_for_a_part_of_the_batch(seed: int, same_person: bool) -> None:
    views = unit(2, 6, 5, seed=seed)
    wanted = torch.tensor([literal(views, m, same_person) for m in range(6)], dtype=torch.float64)
    for ranks in (1, 2, 3):
        size = 6 // ranks
        parts = [
            activity_contrast(
                *(views[:, first : first + size], views, ACTIVITY_M, PERSON_M, VALID_M, first),
                *(TAU, same_person),
            )
            for first in range(0, 6, size)
        ]
        torch.testing.assert_close(torch.cat(parts)[VALID_M], wanted[VALID_M], atol=1e-12, rtol=1e-12)


def test_with_an_activity_for_each_frame_it_is_nt_xent() -> None:
    views, valid = unit(2, 6, 5), torch.ones(6, dtype=torch.bool)
    alone = activity_contrast(views, views, torch.arange(6), PERSON_M, valid, 0, TAU)
    torch.testing.assert_close(alone, nt_xent(views, views, valid, 0, TAU))


def test_identical_vectors_give_the_logarithm_of_the_number_of_candidates() -> None:
    same, valid = unit(1, 1, 4).expand(2, 6, 4), torch.ones(6, dtype=torch.bool)
    loss = activity_contrast(same, same, ACTIVITY_M, PERSON_M, valid, 0)
    assert loss.tolist() == pytest.approx([math.log(11)] * 6)


def test_it_pulls_images_of_one_activity_together_and_others_apart() -> None:
    views = unit(2, 6, 5).requires_grad_()
    valid = torch.ones(6, dtype=torch.bool)
    optimizer = torch.optim.SGD([views], 0.5)
    for _ in range(200):
        vectors = F.normalize(views, dim=2)
        optimizer.zero_grad()
        activity_contrast(vectors, vectors, ACTIVITY_M, PERSON_M, valid, 0, TAU).mean().backward()
        optimizer.step()
    flat = F.normalize(views, dim=2).detach().flatten(0, 1)
    same = (ACTIVITY_M[:, None] == ACTIVITY_M).repeat(2, 2)
    cosine = flat @ flat.T
    assert cosine[same].min() > 0.95
    assert cosine[~same].max() < 0.0


def test_nobody_to_be_like_gives_zero_and_a_finite_gradient() -> None:
    views = unit(2, 2, 5).requires_grad_()
    one = torch.ones(2, dtype=torch.int64)
    loss = activity_contrast(views, views, one, one, torch.ones(2, dtype=torch.bool), 0, TAU, False)
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0]
    assert views.grad is not None
    assert (views.grad == 0).all()


def test_a_frame_that_is_not_valid_changes_nothing() -> None:
    views = unit(2, 6, 5)
    other = views.clone()
    other[:, 3] = unit(2, 5, seed=9)
    one, two = (
        activity_contrast(v, v, ACTIVITY_M, PERSON_M, VALID_M, 0, TAU)[VALID_M] for v in (views, other)
    )
    assert torch.equal(one, two)
