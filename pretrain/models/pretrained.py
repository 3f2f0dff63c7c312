"""Weights that others have trained: a folder of `transformers`' format, or a name on its hub.

They are brought to this project's contract: frames of another size (position embeddings are resampled) and
ImageNet's pixel statistics (others are folded into the first layer).
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig
from transformers.utils import cached_file

from pretrain.config import ConfigError

POSITIONS = "embeddings.position_embeddings"
PIXELS_NAME = "preprocessor_config.json"


def pretrained_backbone(
    weights: str,
    model_type: str,
    wanted: dict[str, Any],
    changed: dict[str, Any],
    image_size: int,
    mean_C: Tensor,
    std_C: Tensor,
) -> tuple[Any, dict[str, Any]]:
    """The backbone in float32, and its settings as far as they differ from the type's defaults.

    Args:
        weights: folder, or name on the hub; safetensors only, as other files can run code.
        model_type: that it must have.
        wanted: settings that it must have.
        changed: settings that it gets, whatever it was trained with.
        image_size: pixels along a side of our frames.
        mean_C: pixel statistics that our frames are normalised with, of 0..1.
        std_C: likewise.

    Raises:
        ConfigError: nothing is there, or another backbone, or not all of its weights.
    """
    config = _read(weights, AutoConfig.from_pretrained)
    if config.model_type != model_type:
        raise ConfigError(
            f"encoder.weights={weights!r} is a {config.model_type}, encoder.model_type is {model_type}; "
            f"set encoder.model_type={config.model_type}, or give other weights"
        )
    stored = config.to_dict()
    differing = [
        f"{name}: {stored.get(name)!r} there, {value!r} wanted"
        for name, value in wanted.items()
        if stored.get(name) != value
    ]
    if differing:
        raise ConfigError(
            f"encoder.weights={weights!r} is another {model_type}: {'; '.join(differing)}; give the "
            "encoder.name and encoder.image_size that it was trained with, or leave out encoder.name"
        )
    # A model of the stored size first: only then all of its tensors fit.
    trained, info = _read(
        weights,
        AutoModel.from_pretrained,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    _refuse_missing(weights, sorted(info["missing_keys"]))
    for name, value in changed.items():
        setattr(config, name, value)
    if hasattr(config, "image_size"):
        config.image_size = image_size
    config.dtype = torch.float32
    backbone = AutoModel.from_config(config)
    state = trained.state_dict()
    if POSITIONS in state:
        state[POSITIONS] = resample_positions(state[POSITIONS], backbone.state_dict()[POSITIONS].shape[1])
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:
        raise ConfigError(f"encoder.weights={weights!r} do not fit encoder.settings: {error}") from error
    _fold_statistics(weights, backbone, mean_C, std_C)
    defaults, own = AutoConfig.for_model(model_type).to_dict(), set(PreTrainedConfig().to_dict())
    settings = {
        name: value
        for name, value in config.to_dict().items()
        if name in defaults and name not in own and name != "image_size" and defaults[name] != value
    }
    return backbone, settings


def resample_positions(positions_1SD: Tensor, count: int) -> Tensor:
    """Position embeddings `(1, S, D)` for `count` tokens: patches bicubic over their square, others as is.

    As in Touvron et al. 2021 (https://arxiv.org/abs/2012.12877, section 3), who change the resolution so.
    """
    found = positions_1SD.shape[1]
    if found == count:
        return positions_1SD
    side, wanted = int(found**0.5), int(count**0.5)
    first = found - side**2
    assert count - wanted**2 == first, f"{found} and {count} tokens are not squares of patches beside others"
    patches_1DHW = positions_1SD[:, first:].transpose(1, 2).reshape(1, -1, side, side)
    resized = F.interpolate(patches_1DHW, (wanted, wanted), mode="bicubic", align_corners=False)
    return torch.cat([positions_1SD[:, :first], resized.flatten(2).transpose(1, 2)], dim=1)


def _read(weights: str, read: Any, **how: Any) -> Any:
    try:
        return read(weights, **how)
    except (OSError, ValueError) as error:
        if Path(weights).is_dir():
            names = sorted(path.name for path in Path(weights).iterdir())[:8]
            raise ConfigError(
                f"encoder.weights={weights!r} wants config.json and model.safetensors there, found "
                f"{', '.join(names) or 'nothing'}: {error}"
            ) from error
        raise ConfigError(
            f"encoder.weights={weights!r} is no folder here, and could not be had from the hub: give a "
            f"folder with config.json and model.safetensors, or connect this host. {error}"
        ) from error


def _refuse_missing(weights: str, missing: list[str]) -> None:
    pooler = [name for name in missing if name.startswith("pooler.")]
    rest = [name for name in missing if name not in pooler]
    if rest:
        raise ConfigError(
            f"encoder.weights={weights!r} lacks {len(rest)} of the backbone's tensors, first {rest[0]}; "
            "give a file of the whole backbone"
        )
    if pooler:
        sys.stderr.write(f"{weights} has no weights for {', '.join(pooler)}: random ones are taken\n")


def _fold_statistics(weights: str, backbone: nn.Module, mean_C: Tensor, std_C: Tensor) -> None:
    """Let the first layer undo our pixel statistics and apply those that it was trained with.

    y = W (p - m') / s' + b, and our x = (p - m) / s, so W' = W s / s' and b' = b + W (m - m') / s'.
    """
    path = cached_file(weights, PIXELS_NAME, _raise_exceptions_for_missing_entries=False)
    found = json.loads(Path(path).read_text()) if path else {}
    theirs_mean = torch.tensor(found.get("image_mean", mean_C.tolist()), dtype=torch.float64)
    theirs_std = torch.tensor(found.get("image_std", std_C.tolist()), dtype=torch.float64)
    if torch.allclose(theirs_mean.float(), mean_C) and torch.allclose(theirs_std.float(), std_C):
        return
    first = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))
    if any(first.padding) or first.bias is None:
        raise ConfigError(
            f"encoder.weights={weights!r} was trained on pixels normalised by {found['image_mean']} and "
            f"{found['image_std']}, and its first layer pads: give weights that were trained with ImageNet's "
            "statistics"
        )
    with torch.no_grad():
        weight_OCHW = first.weight.double()
        shift_C = ((mean_C.double() - theirs_mean) / theirs_std).view(1, -1, 1, 1)
        first.bias += (weight_OCHW * shift_C).sum(dim=(1, 2, 3)).float()
        first.weight.copy_((weight_OCHW * (std_C.double() / theirs_std).view(1, -1, 1, 1)).float())
