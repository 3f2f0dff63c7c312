"""Encoders as ONNX: the file gives torch's features for any number of frames, by onnxruntime alone."""

import sys

import onnxruntime
import pytest
import torch

from pretrain.config import ConfigError
from pretrain.models import onnx
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import save_encoder
from pretrain.models.onnx import FRAMES, POOLED, TOKENS, export_onnx, export_url

TOKENS_OF = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 16}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
CONVNEXT = EncoderConfig("convnext", {**STAGES, "num_stages": 2}, 32)
FAMILIES = [
    CONVNEXT,
    EncoderConfig("vit", {**TOKENS_OF, "intermediate_size": 32}, 32, pool="grid"),
    EncoderConfig("dinov2", TOKENS_OF, 32),
    EncoderConfig("dinov3_vit", {**TOKENS_OF, "intermediate_size": 32}, 32),
    EncoderConfig("resnet", {**STAGES, "embedding_size": 8, "layer_type": "basic"}, 32, pool="grid"),
    EncoderConfig(
        "swin",
        {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4, "patch_size": 4},
        32,
    ),
]


def built(config: EncoderConfig) -> FrameEncoder:
    torch.manual_seed(0)
    return FrameEncoder(config).eval()


@pytest.mark.parametrize("config", FAMILIES, ids=lambda config: config.model_type)
def test_the_file_gives_torchs_features_for_any_number_of_frames(config, tmp_path):
    encoder, out = built(config), tmp_path / "deep" / "encoder.onnx"
    assert export_onnx(encoder, out) < 1e-5
    assert [path.name for path in out.parent.iterdir()] == ["encoder.onnx"]
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        frames_NCHW = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(9))
        pooled, tokens = session.run([POOLED, TOKENS], {FRAMES: frames_NCHW.numpy()})
        with torch.no_grad():
            wanted = encoder(frames_NCHW)
        torch.testing.assert_close(torch.from_numpy(pooled), wanted.pooled_ND, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(torch.from_numpy(tokens), wanted.tokens_NSD, atol=1e-5, rtol=1e-4)


def test_a_finished_runs_encoder_is_found_by_its_url(tmp_path):
    encoder = built(EncoderConfig("convnext", CONVNEXT.settings, 32, precision="bfloat16"))
    save_encoder(encoder, tmp_path / "encoder", {})
    # In float32, whatever it was trained in.
    assert export_url(str(tmp_path / "encoder"), tmp_path / "encoder.onnx") < 1e-5
    with pytest.raises(ConfigError, match=r"holds no exported encoder; give the folder `encoder`"):
        export_url(str(tmp_path), tmp_path / "other.onnx")


def test_a_file_that_gives_other_features_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "TOLERANCE", 0.0)
    with pytest.raises(ConfigError, match=r"of this convnext differ from torch's by .* more than 0; no file"):
        export_onnx(built(CONVNEXT), tmp_path / "encoder.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setattr(onnx, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ConfigError, match=r"needs no_such_package: pip install no_such_package"):
        export_onnx(built(CONVNEXT), tmp_path / "encoder.onnx")
