"""Where a job's first weights come from: they are random, or those that pretraining exported."""

import tempfile
from pathlib import Path
from typing import Any

from pretrain.config import ConfigError
from pretrain.models.encoder import FACTS_NAME, EncoderConfig, FrameEncoder, load_encoder, load_temporal
from pretrain.models.temporal import CONTEXT_NAME, FrameContext
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


def initial_temporal(init: str) -> FrameContext | None:
    """What is between encoder and head as it was exported with the encoder, in float32; None if nothing was.

    Args:
        init: as `initial_encoder`, which has found an encoder there.

    Raises:
        ConfigError: the export speaks of a temporal module that is not there.
    """
    if init == RANDOM:
        return None
    with tempfile.TemporaryDirectory(prefix="facscale-temporal-") as folder:
        storage.download(
            init, sorted({FACTS_NAME, CONTEXT_NAME} & set(storage.list_names(init))), Path(folder)
        )
        try:
            context = load_temporal(Path(folder))
        except FileNotFoundError as error:
            raise ConfigError(
                f"init={init!r} is not whole: {FACTS_NAME} speaks of a temporal module, {CONTEXT_NAME} is "
                "missing; export again by starting the pretraining run once more"
            ) from error
    return None if context is None else context.float()
