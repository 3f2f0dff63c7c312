"""The frame encoder: one of `transformers`' backbones between pixels and features.

Axes: N frames, C channels, H W pixels, S spatial tokens, D features.
"""

import difflib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from pretrain.config import ConfigError
from pretrain.models.backbones import BACKBONES, last_map, settings_of
from pretrain.models.pretrained import pretrained_backbone

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DEFAULT_TYPE = "convnext"

DEFAULT_SETTINGS: dict[str, dict[str, Any]] = {
    "convnext": {
        "hidden_sizes": [24, 48, 96, 192],
        "depths": [1, 1, 2, 1],
        "patch_size": 4,
        # The library's defaults (1e-6, 0.02) suit deep models and long runs: blocks start almost switched
        # off, and a short run on a CPU ends before they are on.
        "layer_scale_init_value": 1.0,
        "initializer_range": 0.1,
    },
    "resnet": {
        "embedding_size": 24,
        "hidden_sizes": [24, 48],
        "depths": [1, 2],
        "layer_type": "basic",
    },
}
"""For a config without settings, for CPUs: a ConvNeXt of 0.6 M, a ResNet that ends at 1/8 of the pixels."""


@dataclass(frozen=True)
class EncoderConfig:
    """Which backbone, at which input size.

    The default normalises by layer: batch statistics would leak which frames of a batch belong together.
    """

    model_type: str = DEFAULT_TYPE
    """`transformers` model type: convnext, vit, swin, resnet, dinov2, ...; follows from `name`."""
    # Empty by default: layers of configs are merged, and one type's settings are wrong for another.
    settings: dict[str, Any] = field(default_factory=dict)
    """What differs from the type's config in `transformers`, or from `name`; neither: DEFAULT_SETTINGS."""
    image_size: int = 64
    precision: Literal["float32", "bfloat16"] = "float32"
    """What the backbone computes in; weights and features keep theirs. bfloat16 pays on GPUs, and on CPUs
    with instructions for it (AMX, AVX512_BF16)."""

    pool: Literal["mean", "grid"] = "mean"
    """What a frame's vector is: the backbone's own pooled output, or all places of its last map in order.
    Faces are aligned, so that the place says which part of the face moves; a mean forgets it."""

    name: str | None = None
    """A backbone of its paper's size: vit-base, resnet-50, ...; all are in `pretrain.models.backbones`."""
    weights: str | None = None
    """Weights to begin with: a folder with config.json and model.safetensors, or a name on the hub of
    `transformers`. None: random ones."""

    def __post_init__(self) -> None:
        if self.image_size < 1:
            raise ValueError(f"encoder.image_size must be at least 1, found {self.image_size}")
        if self.name is not None:
            self._check_name(self.name)
        known = self._known()
        if "num_channels" not in known:
            raise ValueError(
                f"encoder.model_type={self.model_type!r} does not read images; try convnext or vit"
            )
        for name in self.settings:
            if name == "image_size":
                raise ValueError("encoder.settings.image_size belongs one level up: encoder.image_size")
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
                raise ValueError(
                    f"encoder.settings.{name} is unknown to transformers' {self.backbone_type}; {hint}"
                )
        if self.weights is None:
            _refuse_size(self.backbone_type, {**known, **self.backbone_settings}, self.image_size)

    def _check_name(self, name: str) -> None:
        if name not in BACKBONES:
            raise ValueError(f"encoder.name={name!r} is unknown; use one of {', '.join(BACKBONES)}")
        if self.model_type not in (DEFAULT_TYPE, self.backbone_type):
            raise ValueError(
                f"encoder.name={name} is a {self.backbone_type}, found encoder.model_type={self.model_type}; "
                f"leave one of them out, or set encoder.model_type={self.backbone_type} over a file that has "
                "another"
            )

    def _known(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = AutoConfig.for_model(self.backbone_type).to_dict()
        except ValueError as error:
            raise ValueError(f"encoder.model_type={self.model_type!r} is unknown to transformers") from error
        return known

    @property
    def backbone_type(self) -> str:
        """`transformers` model type, of `name` where there is one."""
        return self.model_type if self.name is None else BACKBONES[self.name].model_type

    @property
    def backbone_settings(self) -> dict[str, Any]:
        """All settings that differ from the type's, of a backbone with random weights."""
        if self.name is not None:
            return {**settings_of(self.name, self.image_size), **self.settings}
        return self.settings or DEFAULT_SETTINGS.get(self.model_type, {})


def _refuse_size(model_type: str, settings: dict[str, Any], image_size: int) -> None:
    patch = settings.get("patch_size")
    # Swin fills up what is left over.
    if isinstance(patch, int) and image_size % patch and model_type != "swin":
        below = image_size // patch * patch
        near = " or ".join(str(size) for size in (below, below + patch) if size)
        raise ValueError(
            f"encoder.image_size={image_size} is no multiple of {model_type}'s patches of {patch} px: the "
            f"last {image_size - below} px would not be seen; use {near}"
        )
    if model_type == "swin" and last_map(settings, image_size) < settings["window_size"]:
        raise ValueError(
            f"encoder.settings.window_size={settings['window_size']} is larger than the last map of swin at "
            f"encoder.image_size={image_size}; use {last_map(settings, image_size)} or less"
        )


class FrameFeatures(NamedTuple):
    """What an encoder makes of N frames."""

    pooled_ND: Tensor
    tokens_NSD: Tensor
    """Places of the frame, row by row; a vision transformer's class and register tokens are left out."""


class FrameEncoder(nn.Module):
    """Frames in 0..1 to features; the pixel statistics are inside, so that serving cannot forget them."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        """Build with random weights from torch's global generator, or with `config.weights`.

        Raises:
            ConfigError: `config.weights` cannot be had, or are of another backbone.
        """
        super().__init__()
        self.register_buffer("pixel_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.backbone, settings = _backbone(config)
        # As built: who loads the export needs neither the name's table nor the first weights.
        self.config = replace(
            config, model_type=config.backbone_type, settings=settings, name=None, weights=None
        )
        backbone_config = self.backbone.config
        sizes = getattr(backbone_config, "hidden_sizes", None)
        self.token_dim = int(sizes[-1] if sizes else backbone_config.hidden_size)
        patch = getattr(backbone_config, "patch_size", 1)
        self._most_places = (config.image_size // patch) ** 2
        self.dim = self.token_dim * (self.num_places if config.pool == "grid" else 1)

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are, and frames must be."""
        dtype: torch.dtype = next(self.backbone.parameters()).dtype
        return dtype

    def forward(self, frames_NCHW: Tensor) -> FrameFeatures:
        """Features of N float frames in 0..1, `image_size` pixels square."""
        pixels_NCHW = (frames_NCHW - self.pixel_mean) / self.pixel_std
        # Convolutions and pooling over bytes that lie as NHWC: 1.6x faster training on a CPU.
        pixels_NCHW = pixels_NCHW.contiguous(memory_format=torch.channels_last)
        low = self.config.precision == "bfloat16"
        with torch.autocast(frames_NCHW.device.type, torch.bfloat16, enabled=low):
            output = self.backbone(pixel_values=pixels_NCHW)
        last = output.last_hidden_state.to(frames_NCHW.dtype)
        # Class and register tokens come first.
        tokens_NSD = (last.flatten(2).transpose(1, 2) if last.dim() == 4 else last)[:, -self._most_places :]
        pooled = getattr(output, "pooler_output", None)
        if self.config.pool == "grid":
            pooled_ND = tokens_NSD.flatten(1)
        else:
            pooled_ND = tokens_NSD.mean(dim=1) if pooled is None else pooled.flatten(1).to(last.dtype)
        return FrameFeatures(pooled_ND, tokens_NSD)

    @cached_property
    def num_places(self) -> int:
        """S: places of the last map, which only the backbone itself knows."""
        size = self.config.image_size
        training = self.backbone.training
        with torch.no_grad():
            last = self.backbone.eval()(pixel_values=torch.zeros(1, 3, size, size)).last_hidden_state
        self.backbone.train(training)
        return int(last[0, 0].numel() if last.dim() == 4 else min(last.shape[1], self._most_places))


def on_paper(config: EncoderConfig) -> FrameEncoder:
    """The encoder without a byte of its weights, for counting."""
    with torch.device("meta"):
        return FrameEncoder(replace(config, weights=None))


def _backbone(config: EncoderConfig) -> tuple[Any, dict[str, Any]]:
    """The backbone and its settings."""
    if config.weights is not None:
        row = None if config.name is None else BACKBONES[config.name]
        backbone, settings = pretrained_backbone(
            config.weights,
            config.backbone_type,
            {} if row is None else row.settings,
            {**({} if row is None else row.added), **config.settings},
            config.image_size,
            torch.tensor(IMAGENET_MEAN),
            torch.tensor(IMAGENET_STD),
        )
        try:
            _refuse_size(config.backbone_type, backbone.config.to_dict(), config.image_size)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return backbone, settings
    settings = config.backbone_settings
    backbone_config = AutoConfig.for_model(config.backbone_type, **settings)
    if hasattr(backbone_config, "image_size"):
        backbone_config.image_size = config.image_size
    return AutoModel.from_config(backbone_config), settings
