import json

import pytest
import torch

from finetune.artifact import load_model, output_units
from finetune.models.au_detector import AuDetector
from finetune.models.intensity_regressor import IntensityRegressor
from pretrain.config import ConfigError


def test_a_saved_model_computes_the_same(saved_models):
    first, second = (load_model(saved_models["intensity"]) for _ in range(2))
    assert isinstance(first.model, IntensityRegressor)
    assert isinstance(load_model(saved_models["aunce"]).model, AuDetector)
    frames_BTCHW = torch.rand(1, 4, 3, 32, 32)
    torch.testing.assert_close(
        first.model.infer(frames_BTCHW, None, None)[0], second.model.infer(frames_BTCHW, None, None)[0]
    )
    assert not first.model.training
    assert sorted(path.name for path in saved_models["aunce"].iterdir()) == [
        "model.json",
        "model.safetensors",
    ]


def test_outputs_have_units():
    columns = list(output_units("detection", [4, 12]))
    assert columns == [
        *("face", "frame_number", "time_seconds"),
        *("AU4_probability", "AU4_present", "AU12_probability", "AU12_present"),
    ]
    assert "AU12_intensity_0_5" in output_units("intensity", [12])


def test_messages(saved_models, tmp_path):
    with pytest.raises(ConfigError, match=r"holds no finetuned model: model.json is missing"):
        load_model(tmp_path)
    path = saved_models["aunce"] / "model.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "format_version": 9}))
    with pytest.raises(ConfigError, match="has format version 9, this program reads 3"):
        load_model(saved_models["aunce"])
    path.write_text(json.dumps({**facts, "recipe": {**facts["recipe"], "size": 48}}))
    with pytest.raises(ConfigError, match="the file was altered, register the model again"):
        load_model(saved_models["aunce"])


def test_outputs_of_expressions_are_their_probabilities_and_the_most_probable_one():
    columns = output_units("expression", ["neutral", "fear"])
    assert list(columns)[3:] == ["neutral_probability", "fear_probability", "expression"]
    assert columns["expression"] == "the most probable one: neutral, fear"
