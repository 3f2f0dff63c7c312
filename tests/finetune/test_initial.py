import json

import pytest
import torch

from finetune.initial import initial_encoder, initial_parts
from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import FACTS_NAME, Parts, save_encoder
from pretrain.models.temporal import FrameContext


def test_random_weights_follow_the_seed(tiny_encoder):
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        encoder, facts = initial_encoder("random", tiny_encoder, "r")
        weights.append(next(encoder.parameters()))
    assert facts == {"init": "random"}
    torch.testing.assert_close(weights[0], weights[1])


def test_an_export_brings_its_backbone_and_becomes_float32(tiny_encoder, tmp_path):
    save_encoder(FrameEncoder(tiny_encoder).bfloat16(), tmp_path, {"recipe_digest": "r", "trained_on": "t"})
    encoder, facts = initial_encoder(str(tmp_path), tiny_encoder, "r")
    assert (facts["init"], facts["trained_on"], facts["source"]) == ("pretrained", "t", str(tmp_path))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_an_encoder_that_does_not_say_its_recipe_is_refused(tiny_encoder, tmp_path):
    save_encoder(FrameEncoder(tiny_encoder), tmp_path, {})
    assert "recipe_digest" not in json.loads((tmp_path / FACTS_NAME).read_text())
    with pytest.raises(ConfigError, match="trained on crops of recipe None, the labelled set has recipe r;"):
        initial_encoder(str(tmp_path), tiny_encoder, "r")


def test_a_temporal_module_comes_with_the_encoder_it_was_exported_with(tiny_encoder, tmp_path):
    encoder, context = FrameEncoder(tiny_encoder), FrameContext(16, 6).bfloat16()
    save_encoder(encoder, tmp_path / "cpc", {"recipe_digest": "r"}, Parts(context))
    save_encoder(encoder, tmp_path / "clp", {"recipe_digest": "r"})
    assert initial_parts("random") == Parts()
    assert initial_parts(str(tmp_path / "clp")) == Parts()
    found = initial_parts(str(tmp_path / "cpc")).temporal
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, context.state_dict()[name].float()), name
    (tmp_path / "cpc" / "temporal.safetensors").unlink()
    with pytest.raises(
        ConfigError, match=r"is not whole \(.* speaks of temporal.safetensors, which is missing\)"
    ):
        initial_parts(str(tmp_path / "cpc"))
