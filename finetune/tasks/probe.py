"""Linear evaluation of a frozen encoder: one linear classifier per output on cached features.

The features of every frame are computed once, by a model that is truly frozen: in evaluation mode, so that
no batch statistic moves and no path is dropped, and without gradients. AUNCE's second stage is this with the
loss of `losses.weighted_bce`; a softmax over two outputs is the sigmoid of their difference, so one output
per AU is kept.

Axes: F frames, B of a batch, A outputs (AUs, or expressions), V features, which all outputs share or each
has of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.data import FoldData
from finetune.frames import FrameTable
from finetune.tasks.choice import Choice
from finetune.tasks.outcome import Stages
from pretrain.config import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits `(B, A)` and a task's labels; -1 has no influence."""


@dataclass(frozen=True)
class LinearConfig:
    """The linear stage."""

    epochs: int = 60
    batch: int = 256
    learning_rate: float = 1e-2
    """10x the paper code's, whose epochs have 40x as many steps."""
    weight_decay: float = 1e-6

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ValueError(f"linear needs epochs, batch and learning_rate above 0, found {self}")


@dataclass(frozen=True)
class Classifier:
    """One linear classifier per output."""

    weight_AV: Tensor
    bias_A: Tensor
    exclusive: bool = False
    """Outputs share one probability."""

    def logits(self, features: Tensor) -> Tensor:
        """`(F, A)` of features `(F, V)` that all outputs share, or `(F, A, V)` of each its own."""
        if features.dim() == 2:
            return features @ self.weight_AV.T + self.bias_A
        return (features * self.weight_AV).sum(dim=2) + self.bias_A

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities `(F, A)`."""
        logit_FA = self.logits(torch.from_numpy(features))
        return (logit_FA.softmax(dim=1) if self.exclusive else logit_FA.sigmoid()).numpy()

    def scored(self, table: FrameTable) -> FrameTable:
        """A table of features as one of probabilities."""
        return replace(table, value_F=self.probability(table.value_F))


def frozen_features(
    model: nn.Module,
    features: Callable[[Tensor], Tensor],
    data: FoldData,
    image_size: int,
    stages: Stages,
) -> dict[str, FrameTable]:
    """Features of every frame of the fold, by group: `train`, `validation`, `test`.

    Args:
        model: is frozen here, and stays so.
        features: of frames `(N, C, H, W)` in 0..1, `(N, ...)`.
        data: the fold.
        image_size: of the encoder.
        stages: takes the time as `vectors`.
    """
    model.eval().requires_grad_(False)

    def apply(frames_BTCHW: Tensor, _frames: Tensor | None, _state: Tensor | None) -> tuple[Tensor, None]:
        values = features(frames_BTCHW.flatten(0, 1))
        return values.view(*frames_BTCHW.shape[:2], *values.shape[1:]), None

    tables = {}
    for name, group in data.groups.items():
        with stages.time("vectors", images=group.num_frames):
            tables[name] = group.run(apply, image_size)
    return tables


def refuse_large_cache(data: FoldData, floats: int, most_mib: int, key: str, remedy: str) -> None:
    """Refuse to keep more than a config allows.

    Args:
        data: the fold.
        floats: of each frame.
        most_mib: the bound.
        key: of the config that holds it.
        remedy: what else helps.

    Raises:
        ConfigError: the features of all frames take more.
    """
    frames = sum(group.num_frames for group in data.groups.values())
    mebibytes = frames * floats * 4 / 2**20
    if mebibytes > most_mib:
        raise ConfigError(
            f"the vectors of {frames} frames take {mebibytes:.0f} MiB, more than {key}={most_mib}; raise it "
            f"or {remedy}"
        )


def linear_epochs(
    features: NDArray[np.float32],
    label_FA: NDArray[np.int8],
    num_outputs: int,
    loss: Loss,
    config: LinearConfig,
    seed: int,
    exclusive: bool = False,
) -> Iterator[Classifier]:
    """The classifiers after each epoch.

    Args:
        features: `(F, V)` that all outputs share, or `(F, A, V)` of each its own.
        label_FA: labels as `loss` takes them.
        num_outputs: A.
        loss: what is minimised.
        config: how.
        seed: of the order.
        exclusive: whether the outputs share one probability.
    """
    inputs, truth_FA = torch.from_numpy(features), torch.from_numpy(label_FA)
    weight_AV = torch.zeros(num_outputs, features.shape[-1], requires_grad=True)
    bias_A = torch.zeros(num_outputs, requires_grad=True)
    learned = Classifier(weight_AV, bias_A, exclusive)
    optimizer = torch.optim.Adam(
        [weight_AV, bias_A], lr=config.learning_rate, weight_decay=config.weight_decay
    )
    rng = np.random.default_rng(seed)
    for _ in range(config.epochs):
        order = torch.from_numpy(rng.permutation(len(inputs)))
        for chosen in torch.split(order, config.batch):
            optimizer.zero_grad()
            torch.autograd.backward(loss(learned.logits(inputs[chosen]), truth_FA[chosen]))
            optimizer.step()
        yield replace(learned, weight_AV=weight_AV.detach().clone(), bias_A=bias_A.detach().clone())


def choose(
    choice: Choice[Classifier], epochs: Iterator[Classifier], tables: dict[str, FrameTable]
) -> Classifier:
    """The classifier of the epoch that validation people choose; `choice` takes a look at each.

    Args:
        choice: without a look yet.
        epochs: what was learned.
        tables: features of `validation` and `test`.
    """
    for epoch, classifier in enumerate(epochs, start=1):
        seen = [classifier.scored(tables[name]) for name in ("validation", "test")]
        choice.look(epoch, seen[0], seen[1], classifier)
    return choice.best.state
