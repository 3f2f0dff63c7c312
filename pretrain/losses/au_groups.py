"""The vectors of one AU, grouped by label, and means over AUs: what the contrasts of AUs share.

Axes: N vectors, of both views of N/2 images, A AUs, D features, G vectors that share an AU and a label.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def in_float(vectors_NAD: Tensor) -> Tensor:
    """The vectors in float32, or in float64 if they are: similarities of bfloat16 differ too little."""
    return vectors_NAD.to(torch.promote_types(vectors_NAD.dtype, torch.float32))


def places_with(value_N: Tensor, value: int) -> Tensor:
    """Where a vector has a value `(G,)`, such as the vectors of an AU that have a label."""
    return (value_N == value).nonzero().squeeze(1)


def mean_over_aus(loss_of_au: Sequence[Sequence[Tensor]], weight_A: Tensor | None, vectors: Tensor) -> Tensor:
    """Mean over AUs of the mean over each AU's anchors.

    Args:
        loss_of_au: losses `(G,)` of the anchors of each AU, in parts; AUs without any do not count.
        weight_A: factor of each AU; None: 1.
        vectors: what the losses are of; without any anchor the result is 0 with a gradient of 0.
    """
    means = [
        torch.cat(list(parts)).mean() * (1 if weight_A is None else weight_A[au])
        for au, parts in enumerate(loss_of_au)
        if parts
    ]
    return torch.stack(means).mean() if means else 0 * vectors.sum()


def check_vectors(vectors_NAD: Tensor, label_NA: Tensor, **per_anchor: Tensor) -> None:
    """Refuse what is not two views of labelled images.

    Raises:
        ValueError: shapes disagree, N is odd, or the two views of an image have different labels.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in {"labels": label_NA, **per_anchor}.items()}
    wanted = tuple(vectors_NAD.shape[:2])
    if vectors_NAD.dim() != 3 or any(shape != wanted for shape in shapes.values()):
        raise ValueError(
            f"vectors of shape (vectors, AUs, features) and {', '.join(shapes)} of shape (vectors, AUs) "
            f"wanted, found {tuple(vectors_NAD.shape)} and {list(shapes.values())}"
        )
    count = len(vectors_NAD)
    if count % 2:
        raise ValueError(f"two views of each image wanted, found {count} vectors")
    if not torch.equal(label_NA[: count // 2], label_NA[count // 2 :]):
        raise ValueError(
            "the two views of an image must have its labels, found others; give label_BA.repeat(2, 1)"
        )
