"""AUNCE's loss against others, under natural imbalance and under labels that were flipped.

A frozen encoder gives the tokens of every frame once, plain and in several augmented views: what is compared
is the loss, and a training of heads takes half a minute. Everything after the encoder is that of the product:
network, losses, draws, the linear stage, and the choice of epoch and thresholds on validation people.

Labels of training and of validation people are flipped alike, as in a set with careless coders; those of the
tested people are true.

Axes: F frames, V views, N = 2B vectors of a batch, S places, D features, A AUs.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from finetune.fit import FitConfig, TwoRates
from finetune.frames import FrameTable
from finetune.models.au_detector import AuDetector
from finetune.results import dump_sums
from finetune.targets import au_weights
from finetune.tasks.aunce import AunceConfig, contrast_loss, draw_kinds
from finetune.tasks.choice import Choice
from finetune.tasks.probe import Classifier, LinearConfig, choose, linear_epochs
from pretrain.labels import Labels
from pretrain.losses.weighted_bce import weighted_bce
from pretrain.metrics.detection import detection_sums
from pretrain.models.encoder import FrameEncoder, FrameFeatures
from pretrain.optim import OptimConfig
from tests.benchmarks.finetuning.tokens import VIEWS, Tokens

WIDTH = 64
FIT = FitConfig(steps=300, batch=32, optim=OptimConfig(learning_rate=3e-3, weight_decay=1e-4))
LINEAR = LinearConfig(epochs=20)
FLIPS = (0.0, 0.1, 0.2, 0.3)
OWN = AunceConfig(temperature=0.1, width=WIDTH)
"""The temperature of finetune/configs/aunce_disfa.yaml, for all contrasts."""


@dataclass(frozen=True)
class Row:
    """One loss; without a config it is the weighted binary cross-entropy on the same network."""

    name: str
    title: str
    config: AunceConfig | None

    @property
    def is_rival(self) -> bool:
        """Whether it is AUNCE or another loss, not AUNCE without a part."""
        return self.name in ("bce", "info-nce", "supcon", "aunce")


def _mixed(most_similar: float, class_mean: float, own_view: float) -> AunceConfig:
    return replace(OWN, positives=(most_similar, class_mean, own_view, 0.0))


ROWS = (
    Row("bce", "weighted BCE", None),
    Row("info-nce", "InfoNCE: own view alone", replace(OWN, loss="info_nce")),
    Row("supcon", "SupCon", replace(OWN, loss="supcon")),
    Row("aunce", "AUNCE", OWN),
    Row("no-reweighting", "AUNCE without re-weighting (delta = 0)", replace(OWN, delta=0.0)),
    Row("no-most-similar", "AUNCE without the most similar positive", _mixed(0.0, 0.75, 0.25)),
    Row("no-mean", "AUNCE without the class mean", _mixed(0.5, 0.0, 0.5)),
    Row("no-own-view", "AUNCE without the own view", _mixed(0.25, 0.75, 0.0)),
    Row("centroid", "AUNCE with centroids for means", replace(OWN, positives=(0.2, 0.0, 0.2, 0.6))),
    Row("released", "AUNCE as released", replace(OWN, compat=True)),
)


class Given(torch.nn.Module):
    """An encoder whose frames are tokens already."""

    def __init__(self, tokens_FSD: Tensor) -> None:
        super().__init__()
        _, self.num_places, self.token_dim = tokens_FSD.shape

    def forward(self, tokens_NSD: Tensor) -> FrameFeatures:
        return FrameFeatures(tokens_NSD.flatten(1), tokens_NSD)


def flipped(label_FA: Labels, share: float, seed: int) -> Labels:
    """The labels with this share of the coded ones changed to the other, drawn alike for all rows."""
    drawn_FA = np.random.default_rng(seed).random(label_FA.shape) < share
    return np.where((label_FA >= 0) & drawn_FA, 1 - label_FA, label_FA).astype(np.int8)


def train(
    row: Row, groups: dict[str, Tokens], share: float, seed: int, fit: FitConfig = FIT
) -> dict[str, Any]:
    """Both stages of one row; what each tested person contributes to the scores, as plain values."""
    label_FA = flipped(groups["train"].label_FA, share, seed)
    rate_A = (label_FA == 1).sum(axis=0) / np.maximum((label_FA >= 0).sum(axis=0), 1)
    torch.manual_seed(seed)
    encoder = cast("FrameEncoder", Given(groups["train"].plain_FSD))
    model = AuDetector(encoder, label_FA.shape[1], WIDTH)
    weight_2A = torch.from_numpy(au_weights(rate_A)).expand(2, -1)
    optimizer = TwoRates(model.encoder, model, fit)
    views_VFSD, rng = groups["train"].views_VFSD, np.random.default_rng([seed, 1])
    for step in range(fit.steps):
        place_B = rng.choice(len(label_FA), fit.batch, replace=False)
        first, second = rng.permutation(VIEWS)[:2]
        tokens_NSD = torch.cat([views_VFSD[first, place_B], views_VFSD[second, place_B]]).float()
        vectors_NAV = model.vectors(tokens_NSD)
        label_BA = torch.from_numpy(label_FA[place_B])
        if row.config is None:
            # As far apart as the contrasts' similarities are.
            logit_NA = model.logits(vectors_NAV / OWN.temperature)
            loss = weighted_bce(logit_NA, label_BA.repeat(2, 1), weight_2A)
        else:
            kind_NA = draw_kinds(row.config, (2 * fit.batch, label_FA.shape[1]), rng)
            loss = contrast_loss(vectors_NAV, label_BA, kind_NA, rate_A, row.config)
        optimizer.step(loss, step)
    model.eval().requires_grad_(False)
    tables = {name: _table(model, group, share, seed, name) for name, group in groups.items()}
    choice: Choice[Classifier] = Choice("detection")
    choose(
        choice,
        linear_epochs(
            tables["train"].value_F,
            label_FA,
            label_FA.shape[1],
            lambda logit_BA, label_BA: weighted_bce(logit_BA, label_BA, weight_2A),
            LINEAR,
            seed,
        ),
        tables,
    )
    outcome = choice.outcome("linear_epoch", model, {}, {}, {})
    assert outcome.threshold_A is not None
    test = outcome.test
    sums = detection_sums(test.value_F, outcome.threshold_A, test.label_FA, test.person_F)
    return {"rate": rate_A.tolist(), "per_person": dump_sums(sums)}


def _table(model: AuDetector, group: Tokens, share: float, seed: int, name: str) -> FrameTable:
    """Vectors of a group; the tested people's labels stay true."""
    with torch.no_grad():
        vectors = [model.vectors(part.float()) for part in torch.split(group.plain_FSD, 256)]
    label_FA = group.label_FA if name == "test" else flipped(group.label_FA, share, seed + len(name))
    frames = len(label_FA)
    return FrameTable(
        person_F=group.person_F,
        key_F=group.person_F,
        frame_index_F=np.arange(frames),
        time_seconds_F=np.zeros(frames),
        label_FA=label_FA,
        value_F=torch.cat(vectors).numpy(),
        unreadable={},
    )
