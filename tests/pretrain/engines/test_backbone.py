"""Keeping less of the activations and compiling: the same training, under the same names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pretrain.config import ConfigError
from pretrain.engine import EngineConfig, make_engine, refuse_on_this_host
from pretrain.engines.fragment import EXP_AVG
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.world import Alone, Group
from tests.ranks import run_ranks

OPTIM = OptimConfig(learning_rate=0.02, clip_norm=0.7)


class Frames(nn.Module):
    """A backbone as objectives hold one."""

    def __init__(self, encoder: EncoderConfig) -> None:
        super().__init__()
        self.encoder = FrameEncoder(encoder)

    def forward(self, frames_NCHW: Tensor, step: int) -> Losses:
        return Losses(self.encoder(frames_NCHW).pooled_ND.square().mean(), {})


VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
BACKBONES = {
    "plain": EngineConfig("ddp"),
    "ddp": EngineConfig("ddp", activation_checkpointing=True),
    "stage 3": EngineConfig(zero_stage=3, activation_checkpointing=True),
}


def moments_on_rank(rank: int) -> dict[str, dict[str, Any]]:
    """First moments after one step: a tenth of the gradients, which clipping leaves alone."""
    encoder = EncoderConfig("vit", {**VIT, "patch_size": 8}, image_size=16)
    frames_NCHW = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    found: dict[str, dict[str, Any]] = {}
    for name, config in BACKBONES.items():
        torch.manual_seed(0)
        objective = Frames(encoder)
        engine = make_engine(objective, OptimConfig(clip_norm=1e6), config, 2, 4, Group())
        engine.gradients([frames_NCHW], 0)
        engine.step(0)
        checkpointed = any(getattr(m, "gradient_checkpointing", False) for m in objective.modules())
        found[name] = {f.name: f.values.clone() for f in engine.fragments() if f.kind == EXP_AVG}
        found[name]["checkpointed"] = checkpointed
    return found


def test_activation_checkpointing_keeps_the_gradients():
    [found] = run_ranks(moments_on_rank, 1)
    assert [found[name].pop("checkpointed") for name in BACKBONES] == [False, True, True]
    for name in ("ddp", "stage 3"):
        assert found[name].keys() == found["plain"].keys()
        assert any(values.any() for values in found[name].values())
        for parameter, values in found["plain"].items():
            other = found[name][parameter]
            torch.testing.assert_close(other.flatten(), values.flatten(), rtol=1e-5, atol=1e-8, msg=parameter)


def test_a_backbone_that_cannot_checkpoint_activations_is_refused():
    config = EngineConfig(activation_checkpointing=True)
    with pytest.raises(ConfigError, match=r"transformers' convnext cannot do that; use vit, dinov2 or swin"):
        make_engine(Frames(EncoderConfig()), OPTIM, config, 2, 4, Alone())


def test_compiling_without_a_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    refuse_on_this_host(EngineConfig())
    with pytest.raises(
        ConfigError, match=r"engine.compile=true needs a C\+\+ compiler on a CPU, and none is on"
    ):
        make_engine(Frames(EncoderConfig()), OPTIM, EngineConfig(compile=True), 2, 4, Alone())


def compiled_on_rank(rank: int) -> list[dict[str, Any]]:
    encoder = EncoderConfig("vit", {**VIT, "patch_size": 8}, image_size=16)
    frames_NCHW = torch.rand(4, 3, 16, 16)
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        engine = make_engine(Frames(encoder), OPTIM, EngineConfig(compile=compiled), 2, 4, Group())
        losses = []
        for step in range(2):
            losses.append(float(engine.gradients([frames_NCHW], step).total))
            engine.step(step)
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        found.append({"losses": losses, "names": [n for n, _ in engine.master_weights()], "graphs": graphs})
    return found


@pytest.mark.full
def test_a_compiled_backbone_trains_the_same_under_the_same_names():
    [[plain_one, compiled]] = run_ranks(compiled_on_rank, 1)
    assert (plain_one["graphs"], compiled["graphs"] > 0) == (0, True)
    assert compiled["names"] == plain_one["names"]
    assert compiled["losses"] == pytest.approx(plain_one["losses"], rel=1e-4)
