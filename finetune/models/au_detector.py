"""AUNCE's network: one unit vector per image and AU, and a linear classifier on each.

Axes: N frames, C channels, H W pixels, S tokens, D encoder features, V width of a head, A AUs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.models.au_graph import AuGraph
from finetune.models.network import Network
from pretrain.models.encoder import FrameEncoder


class LinearBlock(nn.Module):
    """Linear, norm, ReLU per token, alike for all AUs or with own weights for each.

    LayerNorm where the paper's code has BatchNorm: a token's value then never depends on which other
    people are in the batch, training and serving compute the same, and ranks need no synchronisation.
    """

    def __init__(self, dim: int, width: int, num_aus: int) -> None:
        super().__init__()
        self.weight_ADV = nn.Parameter(torch.randn(num_aus, dim, width) * (2.0 / width) ** 0.5)
        self.scale_AV = nn.Parameter(torch.ones(num_aus, width))
        self.shift_AV = nn.Parameter(torch.zeros(num_aus, width))

    def forward(self, tokens_NSD: Tensor) -> Tensor:
        """Tokens `(N, S, A, V)`."""
        mixed_NSAV = torch.einsum("nsd,adv->nsav", tokens_NSD, self.weight_ADV)
        return F.relu(F.layer_norm(mixed_NSAV, mixed_NSAV.shape[-1:]) * self.scale_AV + self.shift_AV)


class AuDetector(Network):
    """AUNCE (https://arxiv.org/abs/2402.06165): one unit vector per image and AU.

    The paper averages over the places of the last map. There each place has seen the whole face; in a small
    network it has seen its own surroundings, and a mean forgets where a muscle moved (AUC .47 on generated
    faces, .66 with weights). So each AU weighs the places, alike at first.

    A linear classifier per AU, trained when everything before it is frozen, turns vectors into probabilities.
    """

    def __init__(self, encoder: FrameEncoder, num_aus: int, width: int, graph: bool = False) -> None:
        """Random heads.

        Args:
            encoder: gives the tokens.
            num_aus: A.
            width: V.
            graph: whether the AUs of a face inform each other (`models.au_graph`).
        """
        super().__init__()
        self.encoder = encoder
        self.shared = LinearBlock(encoder.token_dim, width, 1)
        self.per_au = LinearBlock(width, width, num_aus)
        self.place_ASV = nn.Parameter(
            torch.full((num_aus, encoder.num_places, width), 1 / encoder.num_places)
        )
        self.graph = AuGraph(width) if graph else nn.Identity()
        self.classifier_AV = nn.Parameter(torch.zeros(num_aus, width))
        self.bias_A = nn.Parameter(torch.zeros(num_aus))

    def vectors(self, frames_NCHW: Tensor) -> Tensor:
        """Unit vectors `(N, A, V)` of frames in 0..1."""
        tokens_NSD = self.encoder(frames_NCHW).tokens_NSD
        shared_NSV = self.shared(tokens_NSD).squeeze(2)
        seen_NAV = torch.einsum("nsav,asv->nav", self.per_au(shared_NSV), self.place_ASV)
        return F.normalize(self.graph(seen_NAV), dim=2)

    def logits(self, vectors_NAV: Tensor) -> Tensor:
        """Logits of presence `(N, A)`."""
        return (vectors_NAV * self.classifier_AV).sum(dim=2) + self.bias_A

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Probabilities of presence `(B, T, A)`; frames are judged one by one, so there is no state."""
        probability_NA = self.logits(self.vectors(frames_BTCHW.flatten(0, 1))).sigmoid()
        return probability_NA.view(*frames_BTCHW.shape[:2], -1), None
