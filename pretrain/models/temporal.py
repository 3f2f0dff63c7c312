"""The temporal module g: a causal GRU over frame features, and what predicts from it.

Axes: B tracks, T frames in time order, D encoder features, H context features, K steps ahead.
"""

from typing import Literal, NamedTuple

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


class Contexts(NamedTuple):
    """What a temporal module makes of tracks."""

    features_BTH: Tensor
    """z: each frame by itself."""
    context_BTH: Tensor
    """c: each frame and those before it."""
    state_BH: Tensor
    """To give with the next piece of the tracks."""


class FrameContext(nn.Module):
    """A linear layer per frame and the GRU over it: with the encoder, what Sanchez et al.'s stages share.

    The layer makes the GRU as small as the task wants, whatever the encoder's width (256 as recalled of
    https://arxiv.org/abs/2011.01864; the network is this project's reconstruction).
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.sizes = {"dim": dim, "hidden": hidden}
        self.hidden = hidden
        self.project = nn.Linear(dim, hidden)
        self.temporal = CausalGru(hidden, hidden)

    def forward(
        self, pooled_BTD: Tensor, num_frames_B: Tensor | None = None, state_BH: Tensor | None = None
    ) -> Contexts:
        """Of an encoder's frame features; the other arguments as `CausalGru`'s."""
        features_BTH = self.project(pooled_BTD)
        return Contexts(features_BTH, *self.temporal(features_BTH, num_frames_B, state_BH))


class FuturePredictor(nn.Module):
    """Features of the K next frames from a frame's context.

    `separate` has a matrix W_k for each step (CPC, https://arxiv.org/abs/1807.03748). `recursive` has one:
    the predicted features are given to the GRU as if they had been seen, and W looks at its new state (DPC,
    https://arxiv.org/abs/1909.04656).
    """

    def __init__(self, hidden: int, steps_ahead: int, prediction: Literal["separate", "recursive"]) -> None:
        super().__init__()
        self.steps_ahead, self.prediction = steps_ahead, prediction
        self.heads = nn.ModuleList(
            nn.Linear(hidden, hidden) for _ in range(steps_ahead if prediction == "separate" else 1)
        )

    def forward(self, context_BTH: Tensor, temporal: CausalGru) -> Tensor:
        """Predictions `(B, T, K, H)`: place k - 1 is of the frame k after. `temporal` made the contexts."""
        if self.prediction == "separate":
            return torch.stack([head(context_BTH) for head in self.heads], dim=2)
        [head] = self.heads
        state_NH = context_BTH.flatten(0, 1)
        predicted = [head(state_NH)]
        while len(predicted) < self.steps_ahead:
            _, state_NH = temporal(predicted[-1].unsqueeze(1), None, state_NH)
            predicted.append(head(state_NH))
        return torch.stack(predicted, dim=1).view(*context_BTH.shape[:2], self.steps_ahead, -1)
