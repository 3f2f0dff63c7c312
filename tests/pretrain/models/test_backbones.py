"""Backbones by name: every row is as large as published, and every family trains, exports and comes back."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel

from pretrain.models.backbones import BACKBONES
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import load_encoder, save_encoder

TOKENS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
STAGES = {"hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1]}
TINY = {
    "convnext-tiny": STAGES,
    "vit-tiny": {**TOKENS, "intermediate_size": 32},
    "swin-base": {"embed_dim": 2, "depths": [1, 1, 2, 1], "num_heads": [1, 1, 2, 2]},
    "dinov2-small": TOKENS,
    "dinov3-small": {**TOKENS, "intermediate_size": 32},
    "resnet-18": {**STAGES, "embedding_size": 8},
    "resnet-50": {**STAGES, "embedding_size": 8},
}
"""A row of each family, narrowed and flattened."""


def tiny(name: str, image_size: int = 64, pool: str = "mean") -> EncoderConfig:
    if name.startswith("dinov2"):
        image_size = image_size // 14 * 14
    return EncoderConfig(name=name, settings=TINY[name], image_size=image_size, pool=pool)


def frames(config: EncoderConfig, count: int = 2) -> torch.Tensor:
    size = config.image_size
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_has_as_many_parameters_as_published(name):
    row = BACKBONES[name]
    config = AutoConfig.for_model(row.model_type, **row.settings, **row.added)
    if hasattr(config, "image_size"):
        config.image_size = row.image_size
    with torch.device("meta"):
        backbone = AutoModel.from_config(config)
    # A vision transformer's pooler is transformers' own; the heads of published counts are not in backbones.
    own = sum(p.numel() for part, p in backbone.named_parameters() if not part.startswith("pooler."))
    width = config.hidden_sizes[-1] if getattr(config, "hidden_sizes", None) else config.hidden_size
    head = row.head_classes * (width + 1)
    assert own + head == pytest.approx(row.published_parameters, rel=1e-3)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("size", [64, 112, 224])
def test_every_row_takes_small_and_large_frames(name, size):
    if BACKBONES[name].model_type == "dinov2":
        size = size // 14 * 14
    config = EncoderConfig(name=name, image_size=size)
    with torch.device("meta"):
        backbone = AutoModel.from_config(
            AutoConfig.for_model(config.backbone_type, **config.backbone_settings, image_size=size)
        )
        last = backbone(pixel_values=torch.zeros(1, 3, size, size)).last_hidden_state
    assert last.shape[1 if last.dim() == 4 else 2] in (192, 384, 512, 768, 1024, 2048)


@pytest.mark.parametrize("pool", ["mean", "grid"])
@pytest.mark.parametrize("name", TINY)
def test_a_family_trains_without_chance_and_comes_back(name, pool, tmp_path):
    torch.manual_seed(0)
    config = tiny(name, pool=pool)
    encoder = FrameEncoder(config)
    pooled_ND, tokens_NSD = encoder(frames(config))
    assert pooled_ND.shape == (2, encoder.dim)
    assert tokens_NSD.shape == (2, encoder.num_places, encoder.token_dim)
    assert torch.equal(encoder(frames(config)).pooled_ND, pooled_ND)
    pooled_ND.square().sum().backward()
    first = next(module for module in encoder.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.weight.grad.abs().sum() > 0
    encoder.eval()
    save_encoder(encoder, tmp_path, {})
    loaded, _ = load_encoder(tmp_path)
    assert loaded.config == encoder.config
    assert (loaded.config.name, loaded.config.model_type) == (None, BACKBONES[name].model_type)
    for found, wanted in zip(loaded(frames(config)), encoder(frames(config)), strict=True):
        assert torch.equal(found, wanted)
    alone = AutoModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(alone[part], tensor) for part, tensor in encoder.backbone.state_dict().items())
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == loaded.config.model_type


def test_own_settings_go_over_a_rows():
    config = EncoderConfig(name="vit-base", settings={"num_hidden_layers": 3})
    assert config.backbone_settings["num_hidden_layers"] == 3
    assert config.backbone_settings["hidden_size"] == 768


@pytest.mark.parametrize(("size", "window"), [(64, 2), (112, 4), (224, 7), (256, 7)])
def test_swins_windows_fit_its_last_map(size, window):
    assert EncoderConfig(name="swin-base", image_size=size).backbone_settings["window_size"] == window
