"""What label names mean, as sentences for the text encoder.

CLEF reads a label's name in one template and its descriptions in several, drawn at random
(https://arxiv.org/abs/2304.00058, its figure); the sentences here are this project's.

Axes: L labels, S sides of a label (absent and present for AUs, one for expressions), K sentences of a label,
E features of a sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import yaml
from torch import Tensor

from pretrain.config import ConfigError
from pretrain.models.text import embed, others_of

FOLDER = Path(__file__).parent / "texts"
PRESENT, ABSENT = "A photo of a person with {name}.", "A photo of a person without {name}."
DESCRIPTIONS = (
    "A person with {description}.",
    "A face where one sees {description}.",
    "A cropped photo of a face that shows {description}.",
)
TextKind = Literal["names_and_descriptions", "names", "shuffled", "none"]


@dataclass(frozen=True)
class LabelText:
    """One label in words; descriptions go on from "a face with ..."."""

    name: str
    descriptions: tuple[str, ...]


@dataclass(frozen=True)
class LabelFeatures:
    """The sentences of all labels as the text encoder reads them."""

    names_LSE: Tensor
    descriptions_LKE: Tensor


def read_label_texts(labels: Sequence[str], file: Path | None = None) -> list[LabelText]:
    """The texts of these labels (`AU12`, `happiness`), in their order.

    Args:
        labels: their names in results.
        file: YAML with lines such as `AU12: {name: lip corner puller, descriptions: [a smile]}`; None takes
            this project's texts of action units and expressions.

    Raises:
        ConfigError: there is no such file, it has another form, or a label has no text.
    """
    files = sorted(FOLDER.glob("*.yaml")) if file is None else [file]
    known: dict[str, LabelText] = {}
    for path in files:
        known |= _read(path)
    lacking = [label for label in labels if label not in known]
    if lacking:
        raise ConfigError(
            f"no text for the labels {', '.join(lacking)} in {', '.join(path.name for path in files)}; add "
            "them to a file of your own and give it as clef.texts"
        )
    return [known[label] for label in labels]


def _read(path: Path) -> dict[str, LabelText]:
    if not path.is_file():
        raise ConfigError(f"clef.texts={path} is not there; give a YAML file, or leave it out")
    try:
        content = yaml.safe_load(path.read_text())
        found = {
            str(label): LabelText(entry["name"], tuple(entry["descriptions"]))
            for label, entry in content.items()
        }
    except (yaml.YAMLError, AttributeError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{path} must hold lines such as `AU12: {{name: lip corner puller, descriptions: [a smile]}}`, "
            f"found another form: {error!r}"
        ) from error
    odd = [
        label
        for label, text in found.items()
        if not text.descriptions or not all(isinstance(part, str) for part in (text.name, *text.descriptions))
    ]
    if odd:
        raise ConfigError(f"{path}: name and at least one description must be text, not so of {odd}")
    return found


def embed_labels(
    texts: Sequence[LabelText], kind: TextKind, sides: int, encoder: str = "", seed: int = 0
) -> LabelFeatures:
    """Features of all sentences.

    Args:
        texts: of each label.
        kind: `shuffled` gives each label the texts of another one; `none` a vector of its own that says
            nothing (its sides are opposite), and as its description the same.
        sides: S; 2 reads what a face without the label is called as well.
        encoder: as `models.text.TextEncoder`'s name.
        seed: of `shuffled`.

    Raises:
        ConfigError: the encoder cannot be had.
    """
    if kind == "none":
        own_LE = torch.eye(len(texts))
        signs_S = torch.linspace(-1, 1, sides) if sides > 1 else torch.ones(1)
        return LabelFeatures(own_LE[:, None] * signs_S[:, None], own_LE[:, None])
    if kind == "shuffled":
        texts = [texts[other] for other in others_of(len(texts), seed)]
    templates = (ABSENT, PRESENT)[-sides:]
    names = [template.format(name=text.name) for text in texts for template in templates]
    fewest = min(len(text.descriptions) for text in texts)
    described = [
        template.format(description=description)
        for text in texts
        for description in text.descriptions[:fewest]
        for template in DESCRIPTIONS
    ]
    features = embed([*names, *described], encoder)
    return LabelFeatures(
        features[: len(names)].view(len(texts), sides, -1),
        features[len(names) :].view(len(texts), fewest * len(DESCRIPTIONS), -1),
    )
