"""CLEF's second stage: AUs and expressions by the similarity of a face to words (arXiv 2304.00058).

    L = L_IN + description_weight * L_DN

L_IN draws images to the names of what they show: for expressions `losses.image_names`, for AUs a weighted
binary cross-entropy over the names of a face with the AU and without it (`finetune.models.text_classifier`).
L_DN draws descriptions to names, one description of each label drawn per step (`losses.description_names`).
The plain sum is the paper's figure's; formulas and constants are this project's reconstruction.

Image and text are projected as in stage 1 where the encoder brings its joint space. The text encoder is
frozen; what is learned of words is their projection.

Axes: F frames, B images, L labels, S sides of a label, K sentences of a label, A label columns, E features of
a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from finetune.fit import FitConfig
from finetune.frames import FrameTable
from finetune.label_texts import LabelFeatures, TextKind, embed_labels, read_label_texts
from finetune.models.text_classifier import TextClassifier
from finetune.targets import Target, au_weights, positive_rates
from finetune.tasks.frame_fit import fit_frames
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from pretrain.config import ConfigError
from pretrain.labels import Labels
from pretrain.losses.description_names import description_names_loss
from pretrain.losses.image_names import image_names_loss
from pretrain.losses.weighted_bce import weighted_bce
from pretrain.models.joint_space import JointSpace
from shards.schema import MISSING

DESCRIPTIONS = 7
"""Purpose of a job's seed."""


@dataclass(frozen=True)
class ClefConfig:
    """Constants of the second stage; all of them are this project's choice."""

    fit: FitConfig = field(default_factory=FitConfig)
    text: TextKind = "names_and_descriptions"
    """`names` leaves L_DN out; `shuffled` gives each label the texts of another one; `none` has a vector for
    each label that says nothing of it."""
    texts: Path | None = None
    """YAML of your own (see `label_texts.read_label_texts`)."""
    text_encoder: str = ""
    """See `pretrain.models.text.TextEncoder`; empty: the installed sentence encoder, without network."""
    space: Literal["auto", "pretrained", "fresh"] = "auto"
    """First weights of the projections: those of stage 1 (`objective: clef` exports them), or new ones."""
    width: int = 128
    """Features of a fresh joint space; a pretrained one brings its own."""
    description_weight: float = 1.0
    unseen: tuple[str, ...] = ()
    """Labels that neither train nor choose, to be told by their names alone (`AU12`, `fear`)."""
    evaluate_every: int = 50
    """Steps between looks at the validation people."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.evaluate_every < 1 or self.description_weight < 0:
            raise ValueError(
                "clef needs width and evaluate_every >= 1 and description_weight >= 0, found "
                f"{self.width}, {self.evaluate_every} and {self.description_weight}"
            )


def train_clef(job: Job, config: ClefConfig) -> Outcome:
    """Train on images and words; returns the network of the step that validation people chose.

    Raises:
        ConfigError: a label has no text, an unseen one is none of the protocol's, or a joint space is wanted
            that is not there or was made with another text encoder.
    """
    target, stages = job.data.target, Stages()
    sides = 1 if target.kind == "expression" else 2
    texts = read_label_texts(target.names, config.texts)
    pretrained = pretrained_space(job, config)
    features = embed_labels(texts, config.text, sides, config.text_encoder, job.seed)
    text_dim = features.names_LSE.shape[2]
    space = pretrained or JointSpace(job.encoder.dim, text_dim, config.width, config.text_encoder)
    heads: dict[str, Any] = {"num_labels": len(target.names), "sides": sides, "space": space.sizes}
    model = TextClassifier(job.encoder, **heads)
    model.space = space
    model.rename(features.names_LSE)
    unseen = _places(config.unseen, target)
    seen = [place for place in range(len(target.names)) if place not in unseen]
    shown = _hiding(unseen, target)
    image_loss = _image_loss(job, target, seen, shown)

    def loss_of(frames_BCHW: Tensor, label_BA: Tensor, step: int) -> Tensor:
        loss = image_loss(model.logits(frames_BCHW), label_BA)
        if config.text in ("names", "none"):
            return loss
        described = _descriptions_loss(model, features, seen, job.seed, step)
        return loss + config.description_weight * described

    choice = fit_frames(model, job, config.fit, config.evaluate_every, loss_of, stages, shown)
    facts: dict[str, Any] = {
        "training_frames": job.data.train.num_frames,
        "joint_space": "fresh" if pretrained is None else "pretrained",
        "unseen": list(config.unseen),
    }
    if unseen and target.kind == "expression":
        facts["unseen_accuracy"] = accuracy_among(unseen, choice.best.test)
    return choice.outcome("step", model, heads, facts, stages.stages)


def pretrained_space(job: Job, config: ClefConfig) -> JointSpace | None:
    """The joint space of stage 1; None where a fresh one is to be taken.

    Raises:
        ConfigError: a pretrained one is wanted and there is none, or it reads another text encoder.
    """
    found = None if config.text == "none" else job.parts.joint_space
    if config.space == "pretrained" and found is None:
        raise ConfigError(
            "clef.space=pretrained wants texts, and a joint space that was exported with the encoder, found "
            f"clef.text={config.text} and {'none' if job.parts.joint_space is None else 'one'}; pretrain "
            "with objective=clef, or set clef.space=fresh"
        )
    if found is None or config.space == "fresh":
        return None
    if found.sizes["text_encoder"] != config.text_encoder:
        raise ConfigError(
            f"the joint space was pretrained with the text encoder {found.sizes['text_encoder']!r}, "
            f"clef.text_encoder={config.text_encoder!r}; give the same, or set clef.space=fresh"
        )
    return found


def accuracy_among(places: list[int], table: FrameTable) -> float | None:
    """Share of the frames of these expressions that are told right where no other may be answered.

    None without such a frame.
    """
    class_F = table.label_FA[:, 0]
    chosen_F = np.isin(class_F, places)
    if not chosen_F.any():
        return None
    said_F = np.asarray(places)[table.value_F[chosen_F][:, places].argmax(axis=1)]
    return float((said_F == class_F[chosen_F]).mean())


def _places(labels: tuple[str, ...], target: Target) -> list[int]:
    unknown = [label for label in labels if label not in target.names]
    if unknown or len(labels) > len(target.names) - 2:
        raise ConfigError(
            f"clef.unseen={list(labels)}: wanted some of {', '.join(target.names)}, and two that are seen"
        )
    return [target.names.index(label) for label in labels]


def _hiding(places: list[int], target: Target) -> Callable[[Labels], Labels]:
    """Takes labels `(..., A)` and gives them without those places: AUs' columns, or expressions' classes."""

    def shown(label_FA: Labels) -> Labels:
        if target.kind == "expression":
            return np.where(np.isin(label_FA, places), MISSING, label_FA).astype(label_FA.dtype)
        kept = label_FA.copy()
        kept[..., places] = MISSING
        return kept

    return shown


def _image_loss(
    job: Job, target: Target, seen: list[int], shown: Callable[[Labels], Labels]
) -> Callable[[Tensor, Tensor], Tensor]:
    """L_IN of logits `(B, L)` and labels `(B, A)`."""
    if target.kind == "expression":
        # Names of unseen labels are no answer in training: faces would only learn to be none of them.
        class_of = torch.full((len(target.names) + 1,), MISSING)
        class_of[seen] = torch.arange(len(seen))
        return lambda logit_BL, label_BA: image_names_loss(logit_BL[:, seen], class_of[label_BA[:, 0].long()])
    weight_L = torch.zeros(len(target.names))
    of_seen = Target(target.kind, tuple(target.aus[place] for place in seen))
    labels = {row: label_TA[:, seen] for row, label_TA in job.data.train_labels.items()}
    weight_L[seen] = torch.from_numpy(au_weights(positive_rates(labels, of_seen))).float()
    weight_2L = weight_L.expand(2, -1)
    return lambda logit_BL, label_BA: weighted_bce(logit_BL, label_BA, weight_2L)


def _descriptions_loss(
    model: TextClassifier, features: LabelFeatures, seen: list[int], seed: int, step: int
) -> Tensor:
    """L_DN of one description of each seen label."""
    rng = np.random.default_rng([seed, DESCRIPTIONS, step])
    picked = torch.from_numpy(rng.integers(features.descriptions_LKE.shape[1], size=len(seen)))
    return description_names_loss(
        model.space.texts(features.descriptions_LKE[seen, picked]),
        model.space.texts(features.names_LSE[seen, -1]),
        model.space.scale,
    )
