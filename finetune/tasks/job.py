"""What every task is given: a fold, an encoder to start from, and how to draw."""

from dataclasses import dataclass

from finetune.data import FoldData, Log
from pretrain.augment import AugmentConfig
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import Parts


@dataclass(frozen=True)
class Job:
    """One fold to learn with one seed."""

    data: FoldData
    encoder: FrameEncoder
    """Random or pretrained; the task trains it in place."""
    parts: Parts
    """What pretraining trained with the encoder, for the task to go on with."""
    views: AugmentConfig
    seed: int
    log: Log
