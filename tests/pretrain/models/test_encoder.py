"""Encoders: one contract for every backbone, exported so that `transformers` alone can load them."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModel

from pretrain.models.encoder import IMAGENET_MEAN, IMAGENET_STD, EncoderConfig, FrameEncoder
from pretrain.models.exported import FACTS_NAME, load_encoder, save_encoder

CONVNEXT = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4}, 32
)
RESNET = EncoderConfig(
    "resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}, 32
)
TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}
VIT = EncoderConfig("vit", {**TRANSFORMER, "intermediate_size": 32}, 32)
DINOV2 = EncoderConfig("dinov2", TRANSFORMER, 32)
SWIN = EncoderConfig(
    "swin", {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4, "patch_size": 4}, 32
)
DINOV3 = EncoderConfig("dinov3_vit", {**TRANSFORMER, "intermediate_size": 32, "num_register_tokens": 4}, 32)
PLACES = [(CONVNEXT, 16), (RESNET, 16), (VIT, 16), (DINOV2, 16), (SWIN, 16), (DINOV3, 16)]
each_backbone = pytest.mark.parametrize(
    "config", [config for config, _ in PLACES], ids=lambda config: config.model_type
)


def built(config: EncoderConfig) -> FrameEncoder:
    torch.manual_seed(0)
    return FrameEncoder(config).eval()


def frames(count: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("config", "places"), PLACES, ids=[config.model_type for config, _ in PLACES])
def test_features_have_the_promised_shapes(config, places):
    encoder = built(config)
    pooled_ND, tokens_NSD = encoder(frames())
    assert encoder.dim == 16
    assert pooled_ND.shape == (3, 16)
    assert tokens_NSD.shape == (3, places, 16)


@each_backbone
def test_features_are_the_backbones_of_normalised_pixels(config):
    encoder = built(config)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    output = encoder.backbone(pixel_values=(frames() - mean) / std)
    pooled_ND, tokens_NSD = encoder(frames())
    torch.testing.assert_close(pooled_ND, output.pooler_output.flatten(1))
    last = output.last_hidden_state
    rows_NSD = last.movedim(1, -1).flatten(1, 2) if last.dim() == 4 else last
    # Class tokens come first.
    torch.testing.assert_close(tokens_NSD, rows_NSD[:, rows_NSD.shape[1] - tokens_NSD.shape[1] :])


@each_backbone
def test_frames_do_not_see_each_other(config):
    encoder = built(config)
    for whole, alone in zip(encoder(frames(3)), encoder(frames(3)[:1]), strict=True):
        torch.testing.assert_close(whole[:1], alone, atol=1e-5, rtol=1e-4)


@each_backbone
def test_export_and_load_give_the_same_features_and_facts(config, tmp_path):
    encoder = built(config)
    save_encoder(encoder, tmp_path, {"step": 7, "recipe_digest": "abc"})
    loaded, facts = load_encoder(tmp_path)
    assert not loaded.training
    assert loaded.config == config
    assert (facts["step"], facts["recipe_digest"]) == (7, "abc")
    for found, wanted in zip(loaded(frames()), encoder(frames()), strict=True):
        assert torch.equal(found, wanted)


@each_backbone
def test_transformers_alone_loads_the_export(config, tmp_path):
    encoder = built(config)
    save_encoder(encoder, tmp_path, {})
    backbone = AutoModel.from_pretrained(tmp_path)
    stored = backbone.state_dict()
    assert stored.keys() == encoder.backbone.state_dict().keys()
    for name, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(stored[name], tensor), name
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_another_precision_survives_the_export(tmp_path):
    encoder = built(CONVNEXT).bfloat16()
    save_encoder(encoder, tmp_path, {})
    loaded, _ = load_encoder(tmp_path)
    assert loaded.dtype == torch.bfloat16
    assert torch.equal(loaded(frames().bfloat16()).pooled_ND, encoder(frames().bfloat16()).pooled_ND)


def test_without_settings_the_small_convnext_is_built_and_stored_as_such(tmp_path):
    encoder = built(EncoderConfig())
    assert 0.5e6 < sum(p.numel() for p in encoder.parameters()) < 0.7e6
    assert encoder(frames(1, 64)).pooled_ND.shape == (1, encoder.dim)
    save_encoder(encoder, tmp_path, {})
    facts = json.loads((tmp_path / FACTS_NAME).read_text())
    assert facts["settings"]["hidden_sizes"] == [24, 48, 96, 192]


def test_equal_seeds_build_equal_weights():
    one, other = (built(CONVNEXT).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convnexx",), r"encoder.model_type='convnexx' is unknown to transformers"),
        (("bert",), r"encoder.model_type='bert' does not read images; try convnext or vit"),
        (("vit", {"hiden_size": 16}), r"settings.hiden_size is unknown to transformers' vit; did you mean"),
        (("resnet", {"qqq": 1}), r"settings.qqq is unknown to transformers' resnet; it has .*hidden_sizes"),
        (("vit", {"image_size": 16}), r"one level up: encoder.image_size"),
        (("vit", {}, 0), r"encoder.image_size must be at least 1, found 0"),
        (
            ("vit", {}, 40),
            r"image_size=40 is no multiple of vit's patches of 16 px: the last 8 px .* 32 or 48",
        ),
        (("dinov2", {"patch_size": 14}, 8), r"the last 8 px would not be seen; use 14"),
        (("swin", {}, 64), r"window_size=7 is larger than the last map of swin at .*size=64; use 2 or less"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(*arguments)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "vit-huge"}, r"encoder.name='vit-huge' is unknown; use one of convnext-tiny, .*resnet-50"),
        (
            {"name": "vit-base", "model_type": "resnet"},
            r"encoder.name=vit-base is a vit, found encoder.model_type=resnet; leave one .*model_type=vit",
        ),
        ({"name": "dinov2-base"}, r"no multiple of dinov2's patches of 14 px: .*; use 56 or 70"),
        ({"name": "resnet-18", "settings": {"depth": []}}, r"depth is unknown to transformers' resnet; did"),
    ],
)
def test_a_name_that_cannot_be_built_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**words)


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no exported encoder: facscale.json is missing"):
        load_encoder(tmp_path)


@each_backbone
def test_bfloat16_gives_nearly_the_same_features_in_the_frames_precision(config):
    exact, low = built(config), built(replace(config, precision="bfloat16"))
    low.load_state_dict(exact.state_dict())
    for wanted, found in zip(exact(frames()), low(frames()), strict=True):
        assert found.dtype == torch.float32
        assert (found - wanted).norm() < 0.05 * wanted.norm()
        assert not torch.equal(found, wanted)


@pytest.mark.parametrize(("config", "places"), PLACES, ids=[config.model_type for config, _ in PLACES])
def test_a_grid_keeps_every_place_and_survives_the_export(config, places, tmp_path):
    encoder = built(replace(config, pool="grid"))
    pooled_ND, tokens_NSD = encoder(frames())
    assert (encoder.dim, encoder.token_dim) == (16 * places, 16)
    assert torch.equal(pooled_ND, tokens_NSD.flatten(1))
    save_encoder(encoder, tmp_path, {})
    torch.testing.assert_close(load_encoder(tmp_path)[0](frames()).pooled_ND, pooled_ND)
