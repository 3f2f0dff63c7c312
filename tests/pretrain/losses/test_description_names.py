"""The contrast of descriptions and names against its equation in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.description_names import description_names_loss


def literal(descriptions: list[list[float]], names: list[list[float]], g: float) -> float:
    """The equation, one pair at a time."""
    count = len(names)

    def e(d: int, n: int) -> float:
        return math.exp(g * sum(x * y for x, y in zip(descriptions[d], names[n], strict=True)))

    total = 0.0
    for c in range(count):
        total += math.log(e(c, c) / sum(e(c, other) for other in range(count)))
        total += math.log(e(c, c) / sum(e(other, c) for other in range(count)))
    return -total / (2 * count)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_equation(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    texts = F.normalize(torch.randn(2, 4, 5, dtype=torch.float64, generator=generator), dim=2)
    scale = torch.tensor(7.0, dtype=torch.float64)
    found = description_names_loss(texts[0], texts[1], scale)
    assert float(found) == pytest.approx(literal(texts[0].tolist(), texts[1].tolist(), 7.0), rel=1e-12)


def test_it_falls_as_each_description_nears_its_own_name() -> None:
    names_CJ = torch.eye(3)
    near_CJ = F.normalize(names_CJ + 0.1, dim=1)
    scale = torch.tensor(5.0)
    assert description_names_loss(near_CJ, names_CJ, scale) < description_names_loss(
        near_CJ.roll(1, dims=0), names_CJ, scale
    )
