"""Weights that others have trained: taken whole, at another size and pixel statistics, or refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from pretrain.config import ConfigError
from pretrain.models.encoder import IMAGENET_MEAN, IMAGENET_STD, EncoderConfig, FrameEncoder
from pretrain.models.exported import load_encoder, save_encoder
from pretrain.models.pretrained import PIXELS_NAME, POSITIONS, resample_positions

TOKENS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
STAGES = {"hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1]}
FAMILIES = {
    "vit": {**TOKENS, "patch_size": 8},
    "dinov2": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8},
    "dinov3_vit": {**TOKENS, "patch_size": 8, "num_register_tokens": 2},
    "convnext": STAGES,
    "resnet": {**STAGES, "embedding_size": 8},
    "swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
}
HALF = [0.5, 0.5, 0.5]


def saved(model_type: str, folder: Path, size: int = 64) -> torch.nn.Module:
    torch.manual_seed(3)
    config = AutoConfig.for_model(model_type, **FAMILIES[model_type])
    if hasattr(config, "image_size"):
        config.image_size = size
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    return model


def from_folder(model_type: str, folder: Path, size: int = 64, **more) -> FrameEncoder:
    torch.manual_seed(4)
    return FrameEncoder(EncoderConfig(model_type, image_size=size, weights=str(folder), **more)).eval()


def frames(size: int = 64) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def normalised(pixels: torch.Tensor, mean, std) -> torch.Tensor:
    return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_folders_weights_are_those_of_the_encoder(model_type, tmp_path):
    model = saved(model_type, tmp_path / "given")
    encoder = from_folder(model_type, tmp_path / "given")
    with torch.no_grad():
        wanted = model(pixel_values=normalised(frames(), IMAGENET_MEAN, IMAGENET_STD)).pooler_output
        torch.testing.assert_close(encoder(frames()).pooled_ND, wanted.flatten(1))
    save_encoder(encoder, tmp_path / "out", {})
    loaded, _ = load_encoder(tmp_path / "out")
    assert loaded.config == encoder.config
    assert loaded.config.weights is None
    assert torch.equal(loaded(frames()).pooled_ND, encoder(frames()).pooled_ND)


@pytest.mark.parametrize("model_type", ["vit", "dinov2", "dinov3_vit", "convnext", "resnet"])
def test_frames_of_another_size_get_the_same_weights(model_type, tmp_path):
    model = saved(model_type, tmp_path, size=64)
    encoder = from_folder(model_type, tmp_path, size=96)
    pixels = normalised(frames(96), IMAGENET_MEAN, IMAGENET_STD)
    how = {"interpolate_pos_encoding": True} if model_type == "vit" else {}
    with torch.no_grad():
        wanted = model(pixel_values=pixels, **how).pooler_output
        torch.testing.assert_close(encoder(frames(96)).pooled_ND, wanted.flatten(1), atol=1e-5, rtol=1e-4)


def test_positions_keep_their_places():
    side = torch.arange(8.0)
    ramp_HW = side[:, None] + 10 * side
    positions = torch.cat([torch.full((1, 1, 1), -7.0), ramp_HW.reshape(1, 64, 1)], dim=1)
    found = resample_positions(positions, 1 + 256)
    assert found[0, 0] == -7
    # torch's bicubic gives a plane back but for its edges, nearly: along here 1 a place, along there 10.
    inner, place = slice(3, -3), (torch.arange(16.0) + 0.5) / 2 - 0.5
    wanted_HW = place[:, None] + 10 * place
    assert (found[0, 1:, 0].view(16, 16) - wanted_HW)[inner, inner].abs().max() < 0.6
    assert resample_positions(positions, 65) is positions


@pytest.mark.parametrize("model_type", ["vit", "dinov2", "dinov3_vit", "convnext", "swin"])
def test_other_pixel_statistics_are_kept(model_type, tmp_path):
    model = saved(model_type, tmp_path)
    (tmp_path / PIXELS_NAME).write_text(json.dumps({"image_mean": HALF, "image_std": [0.5, 0.4, 0.3]}))
    encoder = from_folder(model_type, tmp_path)
    with torch.no_grad():
        wanted = model(pixel_values=normalised(frames(), HALF, [0.5, 0.4, 0.3])).pooler_output
        found = encoder(frames()).pooled_ND
        torch.testing.assert_close(found, wanted.flatten(1), atol=1e-4, rtol=1e-4)
        plain = model(pixel_values=normalised(frames(), IMAGENET_MEAN, IMAGENET_STD)).pooler_output
    assert (wanted - plain).abs().max() > 1e-2 * wanted.abs().max()


def test_a_layer_that_pads_cannot_take_other_statistics(tmp_path):
    saved("resnet", tmp_path)
    (tmp_path / PIXELS_NAME).write_text(json.dumps({"image_mean": HALF, "image_std": HALF}))
    with pytest.raises(ConfigError, match=r"normalised by \[0.5, 0.5, 0.5\] .* first layer pads"):
        from_folder("resnet", tmp_path)


def test_weights_without_a_pooler_say_that_it_starts_at_random(tmp_path, capsys):
    saved("vit", tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if "pooler" not in k}, file, {"format": "pt"})
    from_folder("vit", tmp_path)
    assert "has no weights for pooler.dense.bias, pooler.dense.weight: random ones" in capsys.readouterr().err


def test_half_a_file_is_refused(tmp_path):
    saved("vit", tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if k != POSITIONS}, file, {"format": "pt"})
    with pytest.raises(ConfigError, match=rf"lacks 1 of the backbone's tensors, first {POSITIONS}"):
        from_folder("vit", tmp_path)


def test_another_backbone_is_refused(tmp_path):
    saved("vit", tmp_path)
    with pytest.raises(ConfigError, match=r"is a vit, encoder.model_type is convnext; set .*model_type=vit"):
        from_folder("convnext", tmp_path)
    with pytest.raises(ConfigError, match=r"is another vit: hidden_size: 16 there, 768 wanted; .*patch_size"):
        from_folder("vit", tmp_path, name="vit-base")
    with pytest.raises(ConfigError, match=r"(?s)do not fit encoder.settings: .*size mismatch"):
        from_folder("vit", tmp_path, settings={"intermediate_size": 64})
    with pytest.raises(ConfigError, match=r"image_size=60 is no multiple of vit's patches of 8 px"):
        from_folder("vit", tmp_path, size=60)


def test_settings_that_are_no_sizes_may_differ(tmp_path):
    saved("vit", tmp_path)
    encoder = from_folder("vit", tmp_path, settings={"attention_probs_dropout_prob": 0.25})
    assert encoder.backbone.config.attention_probs_dropout_prob == 0.25
    assert encoder.config.settings["attention_probs_dropout_prob"] == 0.25
    assert replace(encoder.config, settings={}).image_size == 64


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"wants config.json and model.safetensors there, found nothing"):
        from_folder("vit", tmp_path)
    saved("vit", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(
        ConfigError, match=r"wants config.json and model.safetensors there, found config.json"
    ):
        from_folder("vit", tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ConfigError, match=r"is no folder here, and could not be had from the hub: give a fol"
    ):
        FrameEncoder(EncoderConfig("vit", weights="facscale-test/nothing-here"))
