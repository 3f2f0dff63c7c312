"""Backbones by name: the sizes of their papers, as `transformers` settings.

None of them draws random numbers while it trains (no dropout of paths, no jitter of positions): a run that
goes on would draw others. ImageNet's class heads are not part of a backbone.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One row."""

    model_type: str
    """Of `transformers`."""
    settings: dict[str, Any]
    """What the paper's sizes are called there."""
    published_parameters: int
    """By `counted_by`, with its class head where `head_classes` is not 0 and at `image_size` pixels."""
    counted_by: str
    source: str
    """Paper and table or section with the sizes."""
    head_classes: int = 1000
    image_size: int = 224
    added: dict[str, Any] = field(default_factory=dict)
    """Settings that change how it trains and not its weights, so that pretrained ones may have others."""


TORCHVISION = "torchvision's model table"
DEIT = "timm's deit_{}_patch16_224, without distillation token"


def _vit(width: int, depth: int, heads: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "patch_size": 16,
    }


def _dinov2(width: int, depth: int, heads: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "mlp_ratio": 4,
        "patch_size": 14,
    }


def _dinov3(width: int, depth: int, heads: int) -> dict[str, Any]:
    # Registers: Darcet et al., https://arxiv.org/abs/2309.16588.
    return {**_vit(width, depth, heads), "num_register_tokens": 4}


def _resnet(layer_type: str, depths: list[int], widths: list[int]) -> dict[str, Any]:
    return {"layer_type": layer_type, "depths": depths, "hidden_sizes": widths, "embedding_size": 64}


VIT = "Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929, table 1"
SMALL_VIT = "Touvron et al. 2021 (DeiT), https://arxiv.org/abs/2012.12877, table 1"
DINOV2 = "Oquab et al. 2023, https://arxiv.org/abs/2304.07193"
DINOV3 = "Simeoni et al. 2025, https://arxiv.org/abs/2508.10104"
RESNET = "He et al. 2016, https://arxiv.org/abs/1512.03385, table 1"
BASIC, BOTTLENECK = [64, 128, 256, 512], [256, 512, 1024, 2048]
STEADY = {"pos_embed_rescale": None}

BACKBONES: dict[str, Backbone] = {
    "convnext-tiny": Backbone(
        "convnext",
        {"hidden_sizes": [96, 192, 384, 768], "depths": [3, 3, 9, 3], "patch_size": 4},
        28_589_128,
        TORCHVISION,
        "Liu et al. 2022, https://arxiv.org/abs/2201.03545, section 3",
    ),
    "vit-tiny": Backbone("vit", _vit(192, 12, 3), 5_717_416, DEIT.format("tiny"), SMALL_VIT),
    "vit-small": Backbone("vit", _vit(384, 12, 6), 22_050_664, DEIT.format("small"), SMALL_VIT),
    "vit-base": Backbone("vit", _vit(768, 12, 12), 86_567_656, TORCHVISION, VIT),
    "vit-large": Backbone("vit", _vit(1024, 24, 16), 304_326_632, TORCHVISION, VIT),
    "swin-base": Backbone(
        "swin",
        {
            "embed_dim": 128,
            "depths": [2, 2, 18, 2],
            "num_heads": [4, 8, 16, 32],
            "window_size": 7,
            "patch_size": 4,
        },
        87_768_224,
        TORCHVISION,
        "Liu et al. 2021, https://arxiv.org/abs/2103.14030, section 3.3",
        added={"drop_path_rate": 0.0},
    ),
    "dinov2-small": Backbone(
        "dinov2", _dinov2(384, 12, 6), 22_056_576, "timm's vit_small_patch14_dinov2", DINOV2, 0, 518
    ),
    "dinov2-base": Backbone(
        "dinov2", _dinov2(768, 12, 12), 86_580_480, "timm's vit_base_patch14_dinov2", DINOV2, 0, 518
    ),
    "dinov3-small": Backbone(
        "dinov3_vit",
        *(_dinov3(384, 12, 6), 21_600_000, "timm's vit_small_patch16_dinov3_qkvb", DINOV3, 0),
        added=STEADY,
    ),
    "dinov3-base": Backbone(
        "dinov3_vit",
        *(_dinov3(768, 12, 12), 85_700_000, "timm's vit_base_patch16_dinov3_qkvb", DINOV3, 0),
        added=STEADY,
    ),
    "dinov3-large": Backbone(
        "dinov3_vit",
        *(_dinov3(1024, 24, 16), 303_100_000, "timm's vit_large_patch16_dinov3_qkvb", DINOV3, 0),
        added=STEADY,
    ),
    "resnet-18": Backbone("resnet", _resnet("basic", [2, 2, 2, 2], BASIC), 11_689_512, TORCHVISION, RESNET),
    "resnet-34": Backbone("resnet", _resnet("basic", [3, 4, 6, 3], BASIC), 21_797_672, TORCHVISION, RESNET),
    "resnet-50": Backbone(
        "resnet", _resnet("bottleneck", [3, 4, 6, 3], BOTTLENECK), 25_557_032, TORCHVISION, RESNET
    ),
}
"""For `encoder.name`."""


def settings_of(name: str, image_size: int) -> dict[str, Any]:
    """A row's settings for square frames of `image_size` pixels.

    Swin's windows are no larger than its last map: at 64 px they are of 2 x 2 places, not 7 x 7.
    """
    row = BACKBONES[name]
    settings = {**row.settings, **row.added}
    if row.model_type == "swin":
        settings["window_size"] = min(settings["window_size"], last_map(settings, image_size))
    return settings


def last_map(settings: dict[str, Any], image_size: int) -> int:
    """Places along a side of a Swin's last map: every stage but the first halves, and rounds up."""
    side: int = -(-image_size // settings["patch_size"])
    for _ in settings["depths"][1:]:
        side = -(-side // 2)
    return side
