"""The contrast of images and names of classes against its equation in float64, and its properties."""

import math

import pytest
import torch

from pretrain.losses.image_names import image_names_loss

LABEL_N = [2, 0, -1, 2, 3]


def literal(logits_NC: torch.Tensor) -> float:
    """The equation, one pair at a time."""
    e = logits_NC.exp().tolist()
    images = [i for i, label in enumerate(LABEL_N) if label >= 0]
    to_name = [-math.log(e[i][LABEL_N[i]] / sum(e[i])) for i in images]
    of_class: dict[int, list[float]] = {}
    for i in images:
        c = LABEL_N[i]
        of_class.setdefault(c, []).append(-math.log(e[i][c] / sum(e[j][c] for j in images)))
    to_image = [sum(terms) / len(terms) for terms in of_class.values()]
    return sum(to_name) / len(to_name) + sum(to_image) / len(to_image)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_equation(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits_NC = 3 * torch.randn(5, 4, dtype=torch.float64, generator=generator)
    found = image_names_loss(logits_NC, torch.tensor(LABEL_N))
    assert float(found) == pytest.approx(literal(logits_NC), rel=1e-12)


def test_images_without_a_label_get_no_gradient_and_a_batch_without_any_gives_zero() -> None:
    logits_NC = torch.randn(5, 4, requires_grad=True)
    image_names_loss(logits_NC, torch.tensor(LABEL_N)).backward()
    assert logits_NC.grad is not None
    assert logits_NC.grad[2].eq(0).all()
    assert logits_NC.grad[0].ne(0).all()
    nothing = image_names_loss(logits_NC, torch.full((5,), -1))
    assert nothing.item() == 0
    logits_NC.grad = None
    nothing.backward()
    assert logits_NC.grad is not None
    assert logits_NC.grad.eq(0).all()
