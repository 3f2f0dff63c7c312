"""CLEF's second stage: a face is what the words for it are near (https://arxiv.org/abs/2304.00058).

An image and the names of labels meet in a joint space. An AU has two names, of a face with it and of one
without; a face has the AU as far as it is nearer to the first. An expression is the one whose name is
nearest. That two texts stand for an AU is this project's reconstruction: the paper's figure shows single
labels.

Axes: N frames, D encoder features, J features of the joint space, L labels, S sides of a label (absent and
present, or one), E features of a sentence.
"""

from typing import Any

import torch
from torch import Tensor

from finetune.models.network import Network
from pretrain.models.encoder import FrameEncoder
from pretrain.models.joint_space import JointSpace


class TextClassifier(Network):
    """Probabilities of labels by the similarity of a face to their names.

    The features of the names are kept with the weights: serving needs no text encoder.
    """

    names_LSE: Tensor

    def __init__(self, encoder: FrameEncoder, num_labels: int, sides: int, space: dict[str, Any]) -> None:
        """Random projections, and names that say nothing yet.

        Args:
            encoder: of faces.
            num_labels: L.
            sides: S; 2 judges each label for itself (AUs), 1 has them share one probability (expressions).
            space: sizes of the joint space.
        """
        super().__init__()
        self.encoder = encoder
        self.space = JointSpace(**space)
        self.register_buffer("names_LSE", torch.zeros(num_labels, sides, space["text_dim"]))

    def rename(self, names_LSE: Tensor) -> None:
        """Judge by these names from now on; there may be more or fewer than before."""
        self.names_LSE = names_LSE.to(self.space.text_projection.weight)

    def logits(self, frames_NCHW: Tensor) -> Tensor:
        """Logits `(N, L)`: of presence, or of a softmax over labels."""
        return self.compare(self.space.images(self.encoder(frames_NCHW).pooled_ND))

    def compare(self, images_NJ: Tensor) -> Tensor:
        """Logits `(N, L)` of images in the joint space."""
        names_LSJ = self.space.texts(self.names_LSE.flatten(0, 1)).view(*self.names_LSE.shape[:2], -1)
        scores_NLS = self.space.scale * torch.einsum("nj,lsj->nls", images_NJ, names_LSJ)
        # The softmax over both sides is the sigmoid of their difference.
        return scores_NLS[..., -1] - scores_NLS[..., 0] if scores_NLS.shape[2] > 1 else scores_NLS[..., 0]

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Probabilities `(B, T, L)`; frames are judged one by one, so there is no state."""
        logits_NL = self.logits(frames_BTCHW.flatten(0, 1))
        probability_NL = logits_NL.sigmoid() if self.names_LSE.shape[1] > 1 else logits_NL.softmax(dim=1)
        return probability_NL.view(*frames_BTCHW.shape[:2], -1), None
