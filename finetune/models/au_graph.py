"""AUs that look alike in a face inform each other: the graph of ME-GraphAU, as AUNCE has it.

For the vector x_k of AU k in one face, with the K most similar AUs of that face as its neighbours (itself
among the candidates; dot products, through which no gradient flows):

    Adj_kl = 1 where l is a neighbour of k, else 0;   D_kk = sum_l Adj_kl;   A = D^-1/2 Adj D^-1/2
    x <- relu( x + norm( A V(x) + U(x) ) )

(https://arxiv.org/abs/2402.06165 as released; V and U are linear.) Each AU has exactly K neighbours, so that
A = Adj / K. The release normalises each AU over the batch. Here it is each vector over its own features, as
in `au_detector.LinearBlock`: a face's value then never depends on which other faces are in the batch,
training and serving compute the same, and ranks need no synchronisation.

Axes: N faces, A AUs, K neighbours, V features.
"""

import torch.nn.functional as F
from torch import Tensor, nn

NEIGHBOURS = 4
"""K, as released."""


class AuGraph(nn.Module):
    """One exchange between the AUs of each face."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_neighbours = nn.Linear(width, width)
        self.of_itself = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes_NAV: Tensor) -> Tensor:
        """Vectors `(N, A, V)`, at least 0."""
        aus, width = nodes_NAV.shape[1:]
        fixed_NAV = nodes_NAV.detach()
        alike_NAA = fixed_NAV @ fixed_NAV.transpose(1, 2)
        chosen_NAK = alike_NAA.topk(min(NEIGHBOURS, aus), dim=2).indices
        index_NM1 = chosen_NAK.flatten(1).unsqueeze(2)
        told_NMV = self.of_neighbours(nodes_NAV).gather(1, index_NM1.expand(-1, -1, width))
        told_NAV = told_NMV.unflatten(1, chosen_NAK.shape[1:]).mean(dim=2)
        return F.relu(nodes_NAV + self.norm(told_NAV + self.of_itself(nodes_NAV)))
