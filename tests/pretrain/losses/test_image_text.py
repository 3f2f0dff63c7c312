"""The contrast of images and texts against its equation in float64, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.losses.image_text import image_text

SCALE = torch.tensor(4.0, dtype=torch.float64)
TEXT_M = torch.tensor([2, 0, 2, 0, 3, 2])
"""Of texts 0 to 4; nobody has 1 and 4."""
VALID_M = torch.tensor([True, True, True, False, True, True])


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def literal(images_MD: Tensor, texts_CD: Tensor) -> float:
    """The equation, one pair at a time."""
    text, g = TEXT_M.tolist(), float(SCALE)
    images = [m for m in range(len(text)) if VALID_M[m]]
    texts = sorted({text[m] for m in images})
    e = {(m, c): math.exp(g * float(images_MD[m] @ texts_CD[c])) for m in images for c in texts}
    to_text = [-math.log(e[m, text[m]] / sum(e[m, c] for c in texts)) for m in images]
    to_image = []
    for c in texts:
        terms = [-math.log(e[m, c] / sum(e[j, c] for j in images)) for m in images if text[m] == c]
        to_image.append(sum(terms) / len(terms))
    return sum(to_text) / len(to_text) + sum(to_image) / len(to_image)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_equation_also_over_ranks(seed: int) -> None:
    images, texts = unit(6, 5, seed=seed), unit(5, 5, seed=10 + seed)
    for ranks in (1, 2, 3):
        size = 6 // ranks
        parts = [
            image_text(images[first : first + size], images, texts, TEXT_M, VALID_M, first, SCALE).loss_N
            for first in range(0, 6, size)
        ]
        assert float(torch.cat(parts)[VALID_M].mean()) == pytest.approx(literal(images, texts), rel=1e-12)


def test_an_image_is_correct_whose_own_text_is_nearest_among_those_of_the_batch() -> None:
    texts = torch.eye(5, dtype=torch.float64)
    images = texts[torch.tensor([2, 0, 1, 0, 4, 3])]
    correct = image_text(images, images, texts, TEXT_M, VALID_M, 0, SCALE).correct_N
    # The third and fifth are nearest to texts that are not in the batch, and to all others alike.
    assert correct[VALID_M].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    every = torch.ones(6, dtype=torch.bool)
    found = image_text(texts[TEXT_M], texts[TEXT_M], texts, TEXT_M, every, 0, SCALE)
    assert found.correct_N.tolist() == [1.0] * 6


def test_texts_and_images_that_are_not_in_the_batch_change_nothing_and_get_no_gradient() -> None:
    images, texts = unit(6, 5).requires_grad_(), unit(5, 5, seed=1).requires_grad_()
    loss = image_text(images, images, texts, TEXT_M, VALID_M, 0, SCALE).loss_N[VALID_M].mean()
    loss.backward()
    assert images.grad is not None
    assert texts.grad is not None
    assert [bool((row != 0).any()) for row in images.grad] == VALID_M.tolist()
    assert [bool((row != 0).any()) for row in texts.grad] == [True, False, True, True, False]
    other_images, other_texts = images.detach().clone(), texts.detach().clone()
    other_images[3], other_texts[1], other_texts[4] = unit(3, 5, seed=7)
    changed = image_text(other_images, other_images, other_texts, TEXT_M, VALID_M, 0, SCALE).loss_N
    assert float(changed[VALID_M].mean()) == float(loss.detach())


def test_each_text_counts_alike_however_many_images_have_it() -> None:
    """With images at right angles to all texts, to_text is log C and to_image log of all images."""
    texts, images = torch.eye(4, 8, dtype=torch.float64), torch.zeros(6, 8, dtype=torch.float64)
    images[:, 6] = 1
    valid = torch.ones(6, dtype=torch.bool)
    loss = image_text(images, images, texts, TEXT_M, valid, 0, SCALE).loss_N
    assert float(loss.mean()) == pytest.approx(math.log(3) + math.log(6))
    # 3, 2 and 1 images have the three texts: each image's part is 6 / (3 texts * its count).
    weight = (loss - math.log(3)) / math.log(6)
    assert weight.tolist() == pytest.approx([2 / 3, 1, 2 / 3, 1, 2, 2 / 3])


def test_the_scale_gets_a_gradient_that_raises_it_for_images_that_fit() -> None:
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    texts = torch.eye(5, dtype=torch.float64)
    images = texts[TEXT_M]
    image_text(images, images, texts, TEXT_M, VALID_M, 0, scale).loss_N[VALID_M].mean().backward()
    assert scale.grad is not None
    assert float(scale.grad) < 0
