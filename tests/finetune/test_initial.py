import json

import pytest
import torch

from finetune.initial import initial_encoder
from pretrain.config import ConfigError
from pretrain.models.encoder import FACTS_NAME, FrameEncoder, save_encoder


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
