"""Trade memory or start-up time for speed inside the backbone; weights and their names stay the same."""

from typing import Any

from torch import nn

from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder


def checkpoint_activations(objective: nn.Module) -> None:
    """Let the trained backbones keep only their blocks' inputs; equal gradients.

    Raises:
        ConfigError: a backbone of `transformers` that cannot.
    """
    for encoder in _encoders(objective):
        backbone: Any = encoder.backbone
        if not backbone.supports_gradient_checkpointing:
            raise ConfigError(
                f"engine.activation_checkpointing=true: transformers' {encoder.config.model_type} cannot do "
                "that; use vit, dinov2 or swin, or leave it false"
            )
        backbone.gradient_checkpointing_enable({"use_reentrant": False})


def compile_backbone(objective: nn.Module) -> None:
    """torch.compile in place; the first step takes a minute or so longer."""
    for encoder in _encoders(objective):
        backbone: Any = encoder.backbone
        backbone.compile()


def _encoders(objective: nn.Module) -> list[FrameEncoder]:
    return [module for module in objective.modules() if isinstance(module, FrameEncoder)]
