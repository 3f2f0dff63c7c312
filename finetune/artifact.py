"""A finetuned model on disk: `model.safetensors` and `model.json`, all that serving needs.

model.json   task, network, kind of labels, AUs or expressions, outputs with units, thresholds, backbone,
             crop recipe and digest, training data
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from finetune.models.network import Network
from finetune.models.registry import NETWORKS
from pretrain.config import ConfigError
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from shards.schema import CropRecipe

WEIGHTS_NAME, FACTS_NAME = "model.safetensors", "model.json"
FORMAT_VERSION = 3
EXPRESSION_COLUMN = "expression"


@dataclass(frozen=True)
class SavedModel:
    """A loaded model and what it says about itself."""

    model: Network
    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.facts["kind"])

    @property
    def names(self) -> list[Any]:
        """What each value is of; see `value_names`."""
        return value_names(self.facts)

    @property
    def recipe(self) -> CropRecipe:
        return CropRecipe(**self.facts["recipe"])


def value_names(facts: Mapping[str, Any]) -> list[Any]:
    """What the values of a model, or of a job's result, are of: AUs by number, or expressions by name."""
    return list(facts["expressions"] if facts["kind"] == "expression" else facts["aus"])


def output_units(kind: str, names: Sequence[Any]) -> dict[str, str]:
    """Column names of the model's output, and what each holds; `names` as `value_names`."""
    columns = {
        "face": "number of the face track in the video, from 0",
        "frame_number": "frame of the video, from 0",
        "time_seconds": "seconds from the start of the video",
    }
    for name in names:
        if kind == "expression":
            columns[f"{name}_probability"] = "probability of this expression, 0 to 1; all together are 1"
        elif kind == "intensity":
            columns[f"AU{name}_intensity_0_5"] = "intensity, 0 (absent) to 5 (maximal)"
        else:
            columns[f"AU{name}_probability"] = "probability that the AU is present, 0 to 1"
            columns[f"AU{name}_present"] = "1 where the probability is at least the AU's threshold, else 0"
    if kind == "expression":
        columns[EXPRESSION_COLUMN] = f"the most probable one: {', '.join(names)}"
    return columns


def save_model(folder: Path, model: Network, facts: dict[str, Any]) -> None:
    """Write a model; `facts` hold kind, AUs or expressions, heads, thresholds, recipe, and what more."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_NAME)
    config = model.encoder.config
    content = {
        **facts,
        "format_version": FORMAT_VERSION,
        "network": type(model).__name__,
        "encoder": {
            "model_type": config.model_type,
            "settings": config.settings,
            "precision": config.precision,
            "pool": config.pool,
            "image_size": config.image_size,
        },
        "recipe_digest": CropRecipe(**facts["recipe"]).digest,
        "outputs": output_units(facts["kind"], value_names(facts)),
    }
    (folder / FACTS_NAME).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def load_model(folder: Path) -> SavedModel:
    """Load a model for inference.

    Raises:
        ConfigError: no model there, another format version, or a crop recipe that was altered.
    """
    path = folder / FACTS_NAME
    if not path.is_file():
        raise ConfigError(f"{folder} holds no finetuned model: {FACTS_NAME} is missing")
    facts = json.loads(path.read_text())
    if facts.get("format_version") != FORMAT_VERSION:
        raise ConfigError(
            f"{path} has format version {facts.get('format_version')}, this program reads {FORMAT_VERSION}"
        )
    found = CropRecipe(**facts["recipe"]).digest
    if found != facts["recipe_digest"]:
        raise ConfigError(
            f"{path}: the crop recipe has digest {found[:12]}, the model was made for "
            f"{facts['recipe_digest'][:12]}; the file was altered, register the model again"
        )
    encoder = FrameEncoder(EncoderConfig(**facts["encoder"]))
    model = NETWORKS[facts["network"]](encoder, **facts["heads"])
    model.load_state_dict(load_file(folder / WEIGHTS_NAME))
    model.eval().requires_grad_(False)
    return SavedModel(model, facts)
