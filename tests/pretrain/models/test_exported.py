import json

import pytest
import torch
from transformers import AutoModel

from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import FACTS_NAME, PART_FILES, Parts, load_parts, save_encoder
from pretrain.models.joint_space import JointSpace
from pretrain.models.temporal import FrameContext

CONVNEXT = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4}, 32
)


def all_parts() -> Parts:
    torch.manual_seed(0)
    return Parts(FrameContext(16, 6), JointSpace(16, 5, 4, "a reader"))


def test_parts_are_exported_beside_the_encoder_and_disturb_nothing(tmp_path):
    encoder, parts = FrameEncoder(CONVNEXT), all_parts()
    save_encoder(encoder, tmp_path / "with", {"step": 7}, parts)
    save_encoder(encoder, tmp_path / "without", {"step": 7})
    loaded = load_parts(tmp_path / "with")
    assert loaded.named().keys() == parts.named().keys() == {"temporal", "joint_space"}
    for name, part in parts.named().items():
        assert loaded.named()[name].sizes == part.sizes
        for key, tensor in part.state_dict().items():
            assert torch.equal(loaded.named()[name].state_dict()[key], tensor), (name, key)
    assert load_parts(tmp_path / "without") == Parts()
    facts = json.loads((tmp_path / "with" / FACTS_NAME).read_text())
    assert facts["temporal"] == {"dim": 16, "hidden": 6}
    assert facts["joint_space"] == {"dim": 16, "text_dim": 5, "width": 4, "text_encoder": "a reader"}
    backbone = AutoModel.from_pretrained(tmp_path / "with")
    for name, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], tensor), name


@pytest.mark.parametrize("missing", PART_FILES)
def test_a_part_that_is_spoken_of_must_be_there(tmp_path, missing):
    save_encoder(FrameEncoder(CONVNEXT), tmp_path, {}, all_parts())
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"speaks of {missing}, which is missing"):
        load_parts(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stored_parts_compute_the_same_and_can_be_trained(tmp_path, dtype):
    parts = all_parts()
    for part in parts.named().values():
        part.to(dtype)
    save_encoder(FrameEncoder(CONVNEXT), tmp_path, {}, parts)
    before = torch.get_rng_state()
    loaded = load_parts(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    pooled_BTD, text_CE = torch.randn(2, 6, 16).to(dtype), torch.randn(3, 5)
    for found, wanted in zip(loaded.temporal(pooled_BTD), parts.temporal(pooled_BTD), strict=True):
        assert torch.equal(found, wanted)
    assert torch.equal(loaded.joint_space.images(pooled_BTD), parts.joint_space.images(pooled_BTD))
    assert torch.equal(loaded.joint_space.texts(text_CE), parts.joint_space.texts(text_CE))
    loaded.temporal(pooled_BTD).context_BTH.float().sum().backward()
    similarity = loaded.joint_space.images(pooled_BTD[0]) @ loaded.joint_space.texts(text_CE).T
    (loaded.joint_space.scale * similarity[:, 0]).sum().backward()
    for part in loaded.named().values():
        assert all(weight.grad is not None and weight.grad.any() for weight in part.parameters())
