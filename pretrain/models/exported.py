"""An encoder as it leaves pretraining: safetensors and JSON that `transformers` loads, and modules beside it.

config.json, model.safetensors    the backbone, as `AutoModel.from_pretrained` wants it
facscale.json                     what a user must know: crop recipe, training data, step, ...
<part>.safetensors                what was trained with it and finetuning goes on with
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.joint_space import JointSpace
from pretrain.models.temporal import FrameContext

FACTS_NAME = "facscale.json"
P = TypeVar("P", FrameContext, JointSpace)


@dataclass(frozen=True)
class Parts:
    """What was trained with an encoder and finetuning goes on with; None where the objective has none."""

    temporal: FrameContext | None = None
    joint_space: JointSpace | None = None

    def named(self) -> dict[str, FrameContext | JointSpace]:
        """Those that there are."""
        found = {"temporal": self.temporal, "joint_space": self.joint_space}
        return {name: part for name, part in found.items() if part is not None}


def part_file(name: str) -> str:
    return f"{name}.safetensors"


PART_FILES = tuple(part_file(field.name) for field in fields(Parts))


def save_encoder(
    encoder: FrameEncoder, folder: Path, facts: dict[str, Any], parts: Parts | None = None
) -> None:
    """Write safetensors and config that `AutoModel.from_pretrained` loads, and `facts` beside them.

    Args:
        encoder: what to export.
        folder: where to.
        facts: what a user of the encoder must know: crop recipe digest, training data, step.
        parts: what was trained with it.
    """
    encoder.backbone.save_pretrained(folder, safe_serialization=True)
    content = {**facts, "image_size": encoder.config.image_size, "model_type": encoder.config.model_type}
    content |= {name: getattr(encoder.config, name) for name in ("settings", "precision", "pool")}
    for name, part in (parts or Parts()).named().items():
        tensors = {key: tensor.detach().contiguous().clone() for key, tensor in part.state_dict().items()}
        save_file(tensors, folder / part_file(name))
        content[name] = part.sizes
    (folder / FACTS_NAME).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def load_encoder(folder: Path) -> tuple[FrameEncoder, dict[str, Any]]:
    """The encoder that `save_encoder` wrote, in its precision and evaluation mode, and its facts.

    Raises:
        FileNotFoundError: `folder` has no exported encoder.
    """
    facts = _facts(folder)
    names = ("model_type", "settings", "image_size", "precision", "pool")
    encoder = FrameEncoder(EncoderConfig(**{name: facts[name] for name in names}))
    encoder.backbone = AutoModel.from_pretrained(folder, use_safetensors=True)
    return encoder.to(encoder.dtype).eval(), facts


def load_parts(folder: Path) -> Parts:
    """What was exported with an encoder, in its precision and evaluation mode.

    Raises:
        FileNotFoundError: `folder` has no exported encoder, or not a part that it speaks of.
    """
    facts = _facts(folder)
    return Parts(
        temporal=_load_part(FrameContext, "temporal", folder, facts),
        joint_space=_load_part(JointSpace, "joint_space", folder, facts),
    )


def _load_part(kind: type[P], name: str, folder: Path, facts: Mapping[str, Any]) -> P | None:
    if name not in facts:
        return None
    path = folder / part_file(name)
    if not path.is_file():
        raise FileNotFoundError(f"{folder} speaks of {path.name}, which is missing")
    tensors = load_file(path)
    # Built without memory: torch's generator gives nothing to weights that are replaced.
    with torch.device("meta"):
        part = kind(**facts[name])
    part.load_state_dict(tensors, assign=True)
    return part.eval()


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / FACTS_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no exported encoder: {FACTS_NAME} is missing")
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts
