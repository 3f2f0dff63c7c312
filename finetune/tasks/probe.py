"""Linear evaluation of a frozen encoder: one linear classifier per AU on cached vectors.

Weighted binary cross-entropy as in AUNCE's second stage; a softmax over two outputs is the sigmoid of their
difference, so one output per AU is kept. Epoch and thresholds are chosen on validation people: the epoch by
mean AUC, which no threshold can tilt, then each AU's threshold by F1.

Axes: F frames, A AUs, V features.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finetune.frames import FrameTable
from pretrain.metrics.detection import auc, best_thresholds, detection_sums, f1
from pretrain.metrics.people import mean_over_aus

CANDIDATES = tuple(float(value) for value in np.round(np.arange(0.02, 0.99, 0.02), 2))
"""Thresholds that may be chosen."""


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
    """One linear classifier per AU."""

    weight_AV: Tensor
    bias_A: Tensor

    def probability(self, vectors_FAV: NDArray[np.float32]) -> NDArray[np.float32]:
        logits_FA = (torch.from_numpy(vectors_FAV) * self.weight_AV).sum(dim=2) + self.bias_A
        return np.asarray(logits_FA.sigmoid().numpy(), np.float32)


@dataclass(frozen=True)
class Choice:
    """The epoch chosen on validation people, and the one that is best on the tested people."""

    classifier: Classifier
    threshold_A: NDArray[np.float64]
    epoch: int
    validation_auc: float
    best_on_test: Classifier
    best_on_test_threshold_A: NDArray[np.float64]
    best_on_test_epoch: int


def linear_epochs(
    vectors_FAV: NDArray[np.float32],
    label_FA: NDArray[np.int8],
    weight_A: NDArray[np.float64],
    config: LinearConfig,
    seed: int,
) -> Iterator[Classifier]:
    """The classifiers after each epoch; unlabelled entries have no influence."""
    inputs_FAV, truth_FA = torch.from_numpy(vectors_FAV), torch.from_numpy(label_FA).float()
    coded_FA = (truth_FA >= 0).float() * torch.from_numpy(weight_A).float()
    weight_AV = torch.zeros(vectors_FAV.shape[1:], requires_grad=True)
    bias_A = torch.zeros(vectors_FAV.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam(
        [weight_AV, bias_A], lr=config.learning_rate, weight_decay=config.weight_decay
    )
    rng = np.random.default_rng(seed)
    for _ in range(config.epochs):
        order = torch.from_numpy(rng.permutation(len(inputs_FAV)))
        for chosen in torch.split(order, config.batch):
            logits = (inputs_FAV[chosen] * weight_AV).sum(dim=2) + bias_A
            loss = F.binary_cross_entropy_with_logits(
                logits, truth_FA[chosen].clamp(min=0), weight=coded_FA[chosen], reduction="sum"
            ) / coded_FA[chosen].count_nonzero().clamp(min=1)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        yield Classifier(weight_AV.detach().clone(), bias_A.detach().clone())


def choose(epochs: Iterator[Classifier], validation: FrameTable, test: FrameTable) -> Choice:
    """Pick an epoch; tables carry vectors. The tested people decide only what is named after them."""
    best_auc, best_f1, chosen, upper = -1.0, -1.0, None, None
    for epoch, classifier in enumerate(epochs, start=1):
        value = _mean_auc(classifier.probability(validation.value_F), validation)
        if value > best_auc or chosen is None:
            best_auc, chosen = value, (epoch, classifier)
        score_FA = classifier.probability(test.value_F)
        threshold_A = best_thresholds(score_FA, test.label_FA, CANDIDATES)
        sums = detection_sums(score_FA, threshold_A, test.label_FA, test.person_F)
        value = float(mean_over_aus(f1(sums)))
        if value > best_f1 or upper is None:
            best_f1, upper = value, (epoch, classifier, threshold_A)
    assert chosen is not None
    assert upper is not None
    score_FA = chosen[1].probability(validation.value_F)
    return Choice(
        classifier=chosen[1],
        threshold_A=best_thresholds(score_FA, validation.label_FA, CANDIDATES),
        epoch=chosen[0],
        validation_auc=best_auc,
        best_on_test=upper[1],
        best_on_test_threshold_A=upper[2],
        best_on_test_epoch=upper[0],
    )


def _mean_auc(score_FA: NDArray[np.float32], table: FrameTable) -> float:
    half_A = np.full(score_FA.shape[1], 0.5)
    return float(mean_over_aus(auc(detection_sums(score_FA, half_A, table.label_FA, table.person_F))))
