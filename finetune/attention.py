"""What CLP's attention picks: the frames of other people that a query's vector looks for.

A checkpoint's memory keeps vectors and people but no pictures, so the look-up is repeated over frames of
the set, with the momentum encoder and its projection head, which is what filled the memory.

Axes: F frames, K picked frames, N frames of a batch, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.checkpoint_reader import CheckpointReader
from pretrain.models.encoder import EncoderConfig
from pretrain.models.projected import ProjectedEncoder
from pretrain.sampled import Apply

MOMENTUM = "momentum"
"""Kind of the momentum encoder's tensors in a checkpoint."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Picked:
    """Of each query, the K people who get the most attention in sum."""

    order_FK: NDArray[np.int64]
    """Each person's frame with the most attention."""
    weight_FK: Floats
    """Attention of all frames of the person."""
    entropy_share_F: Floats
    """Entropy over that of an even attention: 1 when it cannot choose, 0 when one frame has all."""


def momentum_projection(
    reader: CheckpointReader, encoder_config: EncoderConfig, dim: int
) -> tuple[Apply, int] | None:
    """Frames to the vectors that fill the memory, and the frames' size; None for another architecture."""
    module = ProjectedEncoder(encoder_config, dim)
    state = module.state_dict()
    if {name for kind, name in reader.names() if kind == MOMENTUM} != set(state):
        return None
    values = {name: reader.read(MOMENTUM, name) for name in state}
    if any(values[name].numel() != tensor.numel() for name, tensor in state.items()):
        return None
    module.load_state_dict({name: values[name].view_as(tensor) for name, tensor in state.items()})
    module.eval().requires_grad_(False)

    def apply(frames_NCHW: Tensor) -> Tensor:
        vectors_N1D: Tensor = module(frames_NCHW[:, None])
        return vectors_N1D[:, 0]

    return apply, encoder_config.image_size


def attend(vectors_FD: Floats, person_F: Sequence[str], temperature: float, count: int) -> Picked:
    """Softmax attention of every frame over all frames of other people, as in training.

    Args:
        vectors_FD: they are brought to unit length.
        person_F: of each frame.
        temperature: what the cosines are divided by.
        count: K, how many people are kept for each query.
    """
    unit_FD = vectors_FD / np.maximum(np.linalg.norm(vectors_FD, axis=1, keepdims=True), 1e-12)
    people = np.asarray(person_F)
    other_FF = torch.from_numpy(people[:, None] != people[None, :])
    scores_FF = torch.from_numpy(unit_FD @ unit_FD.T) / temperature
    alpha_FF = scores_FF.masked_fill(~other_FF, -torch.inf).softmax(dim=1)
    even_F = other_FF.sum(dim=1).clamp(min=2).log()
    entropy_F = torch.special.entr(alpha_FF).sum(dim=1) / even_F
    alpha = alpha_FF.numpy()
    frames_of = [np.flatnonzero(people == name) for name in sorted(set(person_F))]
    share_FP = np.stack([alpha[:, frames].sum(axis=1) for frames in frames_of], axis=1)
    best_FP = np.stack([frames[alpha[:, frames].argmax(axis=1)] for frames in frames_of], axis=1)
    most_FK = np.argsort(-share_FP, axis=1, kind="stable")[:, : min(count, len(frames_of) - 1)]
    return Picked(
        order_FK=np.take_along_axis(best_FP, most_FK, axis=1),
        weight_FK=np.take_along_axis(share_FP, most_FK, axis=1),
        entropy_share_F=entropy_F.numpy(),
    )
