"""Where a job's first weights come from: they are random, or those that pretraining exported."""

import tempfile
from pathlib import Path
from typing import Any

from pretrain.config import ConfigError
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import FACTS_NAME, PART_FILES, Parts, load_encoder, load_parts
from shards import storage

RANDOM = "random"
WEIGHTS = "weights"
"""What a result calls weights that others trained (`encoder.weights`)."""


def initial_encoder(
    init: str, config: EncoderConfig, recipe_digest: str
) -> tuple[FrameEncoder, dict[str, Any]]:
    """An encoder and what is known of it.

    Args:
        init: `random`, or url or folder of an exported encoder.
        config: the backbone for `random`, with `config.weights` where it names some; an exported encoder
            brings its own.
        recipe_digest: how the faces of the labelled set were cropped.

    Raises:
        ConfigError: nothing is exported there, or the encoder has seen faces cropped in another way.
    """
    if init == RANDOM:
        facts = {"init": RANDOM} if config.weights is None else {"init": WEIGHTS, "source": config.weights}
        return FrameEncoder(config), facts
    names = storage.list_names(init)
    if FACTS_NAME not in names:
        raise ConfigError(
            f"init={init!r} holds no exported encoder: wanted {FACTS_NAME} and weights there, found "
            f"{names[:5] or 'nothing'}; give the folder that pretraining exported, or init=random"
        )
    with tempfile.TemporaryDirectory(prefix="facscale-encoder-") as folder:
        storage.download(init, [name for name in names if "/" not in name], Path(folder))
        encoder, facts = load_encoder(Path(folder))
    found = facts.get("recipe_digest")
    if found != recipe_digest:
        raise ConfigError(
            f"the encoder at {init} was trained on crops of recipe {str(found)[:12]}, the labelled set has "
            f"recipe {recipe_digest[:12]}; pack both with the same recipe"
        )
    # Whatever precision it was exported in: small updates would vanish in bfloat16 weights.
    return encoder.float(), {"init": "pretrained", "source": init, **facts}


def initial_parts(init: str) -> Parts:
    """What was exported with the encoder for finetuning to go on with, in float32.

    Args:
        init: as `initial_encoder`, which has found an encoder there.

    Raises:
        ConfigError: the export speaks of a part that is not there.
    """
    if init == RANDOM:
        return Parts()
    with tempfile.TemporaryDirectory(prefix="facscale-parts-") as folder:
        wanted = {FACTS_NAME, *PART_FILES} & set(storage.list_names(init))
        storage.download(init, sorted(wanted), Path(folder))
        try:
            parts = load_parts(Path(folder))
        except FileNotFoundError as error:
            raise ConfigError(
                f"init={init!r} is not whole ({error}); export again by starting the pretraining run "
                "once more"
            ) from error
    for part in parts.named().values():
        part.float()
    return parts
