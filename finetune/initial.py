"""Where a job's encoder comes from: random weights, or an encoder that pretraining exported."""

import tempfile
from pathlib import Path
from typing import Any

from pretrain.config import ConfigError
from pretrain.models.encoder import FACTS_NAME, EncoderConfig, FrameEncoder, load_encoder
from shards import storage

RANDOM = "random"


def initial_encoder(
    init: str, config: EncoderConfig, recipe_digest: str
) -> tuple[FrameEncoder, dict[str, Any]]:
    """An encoder and what is known of it.

    Args:
        init: `random`, or url or folder of an exported encoder.
        config: the backbone for `random`; an exported encoder brings its own.
        recipe_digest: how the faces of the labelled set were cropped.

    Raises:
        ConfigError: nothing is exported there, or the encoder has seen faces cropped in another way.
    """
    if init == RANDOM:
        return FrameEncoder(config), {"init": RANDOM}
    names = storage.list_names(init)
    if FACTS_NAME not in names:
        raise ConfigError(
            f"init={init!r} holds no exported encoder: wanted {FACTS_NAME} and weights there, found "
            f"{names[:5] or 'nothing'}; give the folder that pretraining exported, or init=random"
        )
    with tempfile.TemporaryDirectory(prefix="facscale-encoder-") as folder:
        for name in names:
            if "/" not in name:
                (Path(folder) / name).write_bytes(storage.read_bytes(storage.join(init, name)))
        encoder, facts = load_encoder(Path(folder))
    found = facts.get("recipe_digest")
    if found != recipe_digest:
        raise ConfigError(
            f"the encoder at {init} was trained on crops of recipe {str(found)[:12]}, the labelled set has "
            f"recipe {recipe_digest[:12]}; pack both with the same recipe"
        )
    # Whatever precision it was exported in: small updates would vanish in bfloat16 weights.
    return encoder.float(), {"init": "pretrained", "source": init, **facts}
