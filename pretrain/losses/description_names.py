"""Contrast of descriptions and names of classes: CLEF's L_DN (https://arxiv.org/abs/2304.00058).

The paper's figure contrasts the text of a class's description with that of its name; the formula is this
project's reconstruction, both directions of a contrast within the C classes:

    L = -1/(2C) sum_c [ log e^{g s(d_c, n_c)} / sum_c' e^{g s(d_c, n_c')}
                      + log e^{g s(n_c, d_c)} / sum_c' e^{g s(n_c, d_c')} ]

Axes: C classes, J features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def description_names_loss(descriptions_CJ: Tensor, names_CJ: Tensor, scale: Tensor) -> Tensor:
    """Scalar loss of unit vectors; row c of both is of class c, `scale` is g."""
    logits_CC = scale * descriptions_CJ @ names_CJ.T
    own_C = torch.arange(len(names_CJ), device=names_CJ.device)
    return (F.cross_entropy(logits_CC, own_C) + F.cross_entropy(logits_CC.T, own_C)) / 2
