"""The temporal module g: a causal GRU over frame features.

Axes: B tracks, T frames in time order, D frame features, H context features.
"""

import torch
from torch import Tensor, nn


class CausalGru(nn.Module):
    """One GRU layer: the context of a frame knows the frames before it and itself, never a later one.

    One layer, because its outputs are its states: a track may then be run piece by piece with pieces of
    any length in a batch, carrying one vector per track.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gru = nn.GRU(dim, hidden, batch_first=True)

    def forward(
        self, features_BTD: Tensor, num_frames_B: Tensor | None = None, state_BH: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Contexts `(B, T, H)` and the state `(B, H)` after each track's last real frame.

        Args:
            features_BTD: frame features; whatever stands after a track's `num_frames_B` is ignored.
            num_frames_B: real frames of each track, T where left out; 0 leaves that track's state as it is.
            state_BH: what an earlier piece of the same tracks returned; zeros where left out.
        """
        if state_BH is None:
            state_BH = features_BTD.new_zeros(len(features_BTD), self.hidden)
        context_BTH, last_1BH = self.gru(features_BTD, state_BH.unsqueeze(0).contiguous())
        if num_frames_B is None:
            return context_BTH, last_1BH.squeeze(0)
        states_BTH = torch.cat([state_BH.unsqueeze(1), context_BTH], dim=1)
        clip = torch.arange(len(states_BTH), device=states_BTH.device)
        return context_BTH, states_BTH[clip, num_frames_B]
