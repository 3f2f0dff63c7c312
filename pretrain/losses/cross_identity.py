"""Cross-identity reconstruction: CLP (Li and Shan, https://arxiv.org/abs/2403.03400).

The paper's figure fixes the structure: the anchor's vector queries a memory of other people's frames, softmax
attention mixes them, and the mixture must match the momentum vector of the transformed anchor frame. The
formulas are this project's reconstruction:

    alpha_j = softmax_j( s(q, M_j) / tau_a )  over j with another identity
    q^ = normalise( sum_j alpha_j M_j )
    l2:   || q^ - k ||^2 = 2 - 2 s(q^, k)
    nce:  -log e^{s(q^_t, k_t)/tau} / sum_t' e^{s(q^_t, k_t')/tau}    over the frames t' of the same clip

Gradients reach q through alpha; memory and keys carry none.

Axes: B clips, T frames, K memory slots, D features.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Source = Literal["others", "same_person"]
"""Whose frames of the memory may be used: other people's (the paper), or the person's own (a control)."""


class Reconstruction(NamedTuple):
    """What other people's frames make of each query."""

    rebuilt_BTD: Tensor
    """Unit vectors."""
    entropy_B: Tensor
    """Mean entropy of the attention in nats: log K when it cannot choose, near 0 when one frame takes all."""
    masked_share_B: Tensor
    """Share of the memory hidden because of whom it shows."""


def rebuild(
    query_BTD: Tensor,
    identity_B: Tensor,
    memory_KD: Tensor,
    memory_identity_K: Tensor,
    tau_attention: float = 0.05,
    source: Source = "others",
) -> Reconstruction:
    """Rebuild each query from the memory's frames of `source`.

    A query for which the memory holds none cannot be rebuilt: its vector is zero, without gradient, and its
    `masked_share_B` is 1.
    """
    same_BK = identity_B[:, None] == memory_identity_K[None, :]
    hidden_BK = same_BK if source == "others" else ~same_BK
    scores_BTK = query_BTD @ memory_KD.T / tau_attention
    # A finite bound instead of -inf: exp underflows to exact zero, and a row of it has finite gradients.
    alpha_BTK = scores_BTK.masked_fill(hidden_BK.unsqueeze(1), -1e4).softmax(dim=2)
    hopeless_B = hidden_BK.all(dim=1)
    rebuilt_BTD = F.normalize(alpha_BTK @ memory_KD, dim=2)
    rebuilt_BTD = rebuilt_BTD.masked_fill(hopeless_B[:, None, None], 0.0)
    with torch.no_grad():
        entropy_B = torch.special.entr(alpha_BTK).sum(dim=2).mean(dim=1)
    return Reconstruction(rebuilt_BTD, entropy_B, hidden_BK.float().mean(dim=1))


def reconstruction_l2(rebuilt_BTD: Tensor, key_BTD: Tensor) -> Tensor:
    """(B,) squared distance of unit vectors, mean over the frames given. A constant feature satisfies it."""
    return (2 - 2 * (rebuilt_BTD * key_BTD).sum(dim=2)).mean(dim=1)


def reconstruction_nce(rebuilt_BTD: Tensor, key_BTD: Tensor, tau: float = 0.1) -> Tensor:
    """(B,) cross-entropy of picking each rebuilt frame's own key among the keys of its clip."""
    logits_BTT = rebuilt_BTD @ key_BTD.transpose(1, 2) / tau
    return -logits_BTT.log_softmax(dim=2).diagonal(dim1=1, dim2=2).mean(dim=1)
