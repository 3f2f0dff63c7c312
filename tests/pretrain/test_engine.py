"""Every engine equals plain AdamW on the concatenated batch, on 1 and 2 ranks, with one golden curve."""

import json
import math
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pretrain.config import from_dict
from pretrain.engine import EngineConfig, make_engine, refuse_on_this_host, resolve_stage
from pretrain.engines.fragment import EXP_AVG, EXP_AVG_SQ, WEIGHTS
from pretrain.engines.plan import choose_stage, state_bytes
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.world import Alone, Group
from tests.ranks import run_ranks

GOLDEN = Path(__file__).parents[1] / "golden/engines.json"
STEPS, CLIPS = 12, 8
OPTIM = OptimConfig(learning_rate=0.02, weight_decay=0.1, beta1=0.8, beta2=0.95, warmup=0.25, clip_norm=0.7)
# float32: another order of the same additions over a few steps, as a share of the tensor's norm. Single
# values with gradients around 0 differ more, as AdamW divides by their size.
TOLERANCE = 3e-5
ENGINES = {
    "ddp": EngineConfig("ddp"),
    "stage 0": EngineConfig(zero_stage=0),
    "stage 1": EngineConfig(zero_stage=1),
    "stage 2": EngineConfig(zero_stage=2),
    "stage 3": EngineConfig(zero_stage=3),
    "ddp, accumulating": EngineConfig("ddp", accumulate=2),
    "stage 2, accumulating": EngineConfig(zero_stage=2, accumulate=4),
    "stage 3, accumulating": EngineConfig(zero_stage=3, accumulate=2),
    "stage 2, optimizer offloaded": EngineConfig(zero_stage=2, offload="optimizer"),
    "stage 3, all offloaded": EngineConfig(zero_stage=3, offload="all"),
}
every_layout = pytest.mark.parametrize(("name", "ranks"), [(name, n) for name in ENGINES for n in (1, 2)])


class Regression(nn.Module):
    """Odd sizes, so that ranks' slices cut through tensors; one tensor that stage 3 really shards (small ones
    stay whole there); a layer that takes no part, as some backbones have."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.second = nn.Linear(5, 7), nn.Linear(7, 14801), nn.Linear(14801, 3)
        self.unused = nn.Linear(2, 2)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, inputs: Tensor, step: int) -> Losses:
        outputs = self.second(self.wide(self.first(inputs).tanh()).tanh() / 50)
        self.seen += inputs[:, :3].sum()
        loss = (outputs - inputs[:, :3] * (1 + step % 3)).square().mean()
        return Losses(loss, {"size": outputs.detach().abs().mean()})


def model() -> Regression:
    torch.manual_seed(0)
    return Regression()


def inputs_of(step: int) -> Tensor:
    return torch.randn(CLIPS, 5, generator=torch.Generator().manual_seed(step))


def on_rank(rank: int, ranks: int) -> dict[str, dict[str, Any]]:
    """By engine: what it made of the steps, with this rank's part of each batch."""
    found = backbones() if ranks == 1 else {}
    for name, config in ENGINES.items():
        engine = make_engine(model(), OPTIM, config, STEPS, CLIPS // ranks, Group())
        fresh = [(f.kind, f.name, f.start, f.values.clone()) for f in engine.fragments()]
        norms, losses = [], []
        for step in range(STEPS):
            local = inputs_of(step).chunk(ranks)[rank]
            losses.append(engine.gradients(local.chunk(config.accumulate), step).total.item())
            assert engine.step(step)
            norms.append(engine.gradient_norm)
        found[name] = {
            "norms": norms,
            "losses": losses,
            "weights": {name: w.clone() for name, w in engine.master_weights()},
            "fresh": fresh,
            "fragments": [(f.kind, f.name, f.shape, f.start, f.values.clone()) for f in engine.fragments()],
            "updates": engine.updates,
            "not finite": a_step_that_is_not_finite(engine, rank, ranks, config.accumulate),
        }
    return found


def a_step_that_is_not_finite(engine: Any, rank: int, ranks: int, accumulate: int) -> dict[str, Any]:
    """On rank 0's first micro batch only; then a good step."""
    before = {(f.kind, f.name): f.values.clone() for f in engine.fragments()}
    buffer = engine.buffers()["seen"].clone()
    local = inputs_of(STEPS).chunk(ranks)[rank].clone()
    if rank == 0:
        local[0] = torch.nan
    engine.gradients(local.chunk(accumulate), STEPS)
    applied, norm = engine.step(STEPS), engine.gradient_norm
    after = {(f.kind, f.name): f.values.clone() for f in engine.fragments()}
    updates, kept = engine.updates, engine.buffers()["seen"].clone()
    engine.gradients(inputs_of(0).chunk(ranks)[rank].chunk(accumulate), STEPS)
    return {
        "applied": bool(applied),
        "norm": norm,
        "changed": [key for key in before if not torch.equal(before[key], after[key])],
        "buffer kept": torch.equal(kept, buffer),
        "updates": updates,
        "next": bool(engine.step(0)),
        "next updates": engine.updates,
        "finite": all(w.isfinite().all().item() for _, w in engine.master_weights()),
    }


@cache
def poisoned_path() -> Path:
    """A folder of compilers that only note that they were called."""
    folder = Path(mkdtemp(prefix="facscale-no-compilers-"))
    for name in ("cc", "gcc", "g++", "c++", "clang", "clang++", "ninja", "nvcc", "make", "cmake"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/called\nexit 1\n')
        program.chmod(0o755)
    return folder


def calls_of_compilers() -> str:
    called = poisoned_path() / "called"
    return called.read_text() if called.exists() else ""


@cache
def engines(ranks: int) -> list[dict[str, dict[str, Any]]]:
    """What each rank found, with nothing on PATH that compiles; one group for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(poisoned_path()))
        patch.delenv("CC", raising=False)
        patch.delenv("CXX", raising=False)
        return run_ranks(on_rank, ranks, ranks)


@cache
def plain() -> dict[str, Any]:
    """AdamW without engine: rates and clipping written from their formulas."""
    trained = model()
    parameters = dict(trained.named_parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters.values() if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in parameters.values() if p.dim() == 1], "weight_decay": 0.0},
        ],
        betas=(0.8, 0.95),
    )
    norms, losses = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = trained(inputs_of(step), step).total
        loss.backward()
        losses.append(loss.item())
        for p in parameters.values():
            # What takes no part is decayed like the rest: DeepSpeed's flat buffers hold it too.
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        norms.append(math.sqrt(sum(p.grad.square().sum().item() for p in parameters.values())))
        for p in parameters.values():
            p.grad *= min(1.0, 0.7 / norms[-1])
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * ((step + 1) / 3 if step < 3 else math.cos(math.pi / 2 * (step - 3) / 9) ** 2)
        optimizer.step()
    moments = {
        (kind, name): optimizer.state[p][kind]
        for kind in (EXP_AVG, EXP_AVG_SQ)
        for name, p in parameters.items()
    }
    weights = {name: p.detach() for name, p in trained.named_parameters()}
    return {"norms": norms, "losses": losses, "weights": weights, "moments": moments}


def difference(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference as a share of the norm."""
    assert found.shape == wanted.shape
    return float((found - wanted).detach().norm() / wanted.norm().clamp(min=1e-12))


@every_layout
def test_weights_equal_plain_adamw(name, ranks):
    for found in engines(ranks):
        assert found[name]["weights"].keys() == plain()["weights"].keys()
        for parameter, wanted in plain()["weights"].items():
            assert difference(found[name]["weights"][parameter], wanted) < TOLERANCE, parameter


@every_layout
def test_the_mean_loss_of_the_ranks_is_that_of_the_whole_batch(name, ranks):
    by_rank = torch.tensor([found[name]["losses"] for found in engines(ranks)])
    assert difference(by_rank.mean(dim=0), torch.tensor(plain()["losses"])) < TOLERANCE


@every_layout
def test_the_curve_is_the_golden_one(name, ranks, request):
    """One curve for all; rewrite with `pytest tests/pretrain/test_engine.py --regold`."""
    found = engines(ranks)
    losses = torch.tensor([rank[name]["losses"] for rank in found]).mean(dim=0).tolist()
    if request.config.getoption("--regold"):
        GOLDEN.write_text(json.dumps(plain()["losses"], indent=1) + "\n")
    assert losses == pytest.approx(json.loads(GOLDEN.read_text()), rel=1e-3)


@every_layout
def test_the_gradient_norm_is_that_of_all_ranks_before_clipping(name, ranks):
    wanted = plain()["norms"]
    assert min(wanted) < OPTIM.clip_norm < max(wanted)
    for found in engines(ranks):
        assert found[name]["norms"] == pytest.approx(wanted, rel=1e-3)


@every_layout
def test_fragments_cover_every_parameter_once_and_hold_its_state(name, ranks):
    whole = {(WEIGHTS, parameter): w for parameter, w in plain()["weights"].items()}
    whole |= plain()["moments"]
    covered: dict[tuple[str, str], list[Tensor]] = {key: [] for key in whole}
    for found in engines(ranks):
        for kind, parameter, shape, start, values in found[name]["fragments"]:
            wanted = whole[kind, parameter]
            assert shape == tuple(wanted.shape)
            # Ranks hold them in order.
            assert start == sum(part.numel() for part in covered[kind, parameter])
            covered[kind, parameter].append(values.flatten())
    for key, wanted in whole.items():
        assert difference(torch.cat(covered[key]), wanted.flatten()) < TOLERANCE, key


@pytest.mark.parametrize("name", ["stage 1", "stage 2", "stage 3", "ddp"])
def test_with_two_ranks_none_writes_much_more_than_its_share(name):
    sizes = [sum(entry[4].numel() for entry in found[name]["fragments"]) for found in engines(2)]
    assert max(sizes) < 0.51 * sum(sizes)


@every_layout
def test_fragments_are_there_before_the_first_step(name, ranks):
    start = dict(model().named_parameters())
    for found in engines(ranks):
        fresh, later = found[name]["fresh"], found[name]["fragments"]
        assert [entry[:2] for entry in fresh] == [entry[:2] for entry in later]
        for kind, parameter, first, values in fresh:
            if kind == WEIGHTS:
                wanted = start[parameter].detach().flatten()[first : first + values.numel()]
                assert torch.equal(values.flatten(), wanted)
            else:
                assert not values.any()


@every_layout
def test_a_gradient_that_is_not_finite_changes_nothing_on_any_rank(name, ranks):
    for found in engines(ranks):
        seen = found[name]["not finite"]
        assert found[name]["updates"] == seen["updates"] == STEPS
        assert not math.isfinite(seen["norm"])
        wanted = {"applied": False, "changed": [], "buffer kept": True, "next": True, "finite": True}
        assert {key: seen[key] for key in wanted} == wanted
        assert seen["next updates"] == STEPS + 1


class Frames(nn.Module):
    """A backbone as objectives hold one."""

    def __init__(self, encoder: EncoderConfig) -> None:
        super().__init__()
        self.encoder = FrameEncoder(encoder)

    def forward(self, frames_NCHW: Tensor, step: int) -> Losses:
        return Losses(self.encoder(frames_NCHW).pooled_ND.square().mean(), {})


VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
BACKBONES = {
    "backbone, plain": EngineConfig("ddp"),
    "backbone, ddp": EngineConfig("ddp", activation_checkpointing=True),
    "backbone, stage 3": EngineConfig(zero_stage=3, activation_checkpointing=True),
}


def backbones() -> dict[str, dict[str, Any]]:
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
    [found] = engines(1)
    assert [found[name].pop("checkpointed") for name in BACKBONES] == [False, True, True]
    for name in ("backbone, ddp", "backbone, stage 3"):
        assert found[name].keys() == found["backbone, plain"].keys()
        assert any(values.any() for values in found[name].values())
        for parameter, values in found["backbone, plain"].items():
            other = found[name][parameter]
            torch.testing.assert_close(other.flatten(), values.flatten(), rtol=1e-5, atol=1e-8, msg=parameter)


def test_a_backbone_that_cannot_checkpoint_activations_is_refused():
    config = EngineConfig(activation_checkpointing=True)
    with pytest.raises(ValueError, match=r"transformers' convnext cannot do that; use vit, dinov2 or swin"):
        make_engine(Frames(EncoderConfig()), OPTIM, config, 2, 4, Alone())


def test_compiling_without_a_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    refuse_on_this_host(EngineConfig())
    with pytest.raises(
        ValueError, match=r"engine.compile=true needs a C\+\+ compiler on a CPU, and none is on"
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


@pytest.mark.parametrize("stage", [4, -1, "three", True])
def test_other_stages_are_refused(stage):
    with pytest.raises(
        ValueError, match=rf"engine.zero_stage={stage} is not supported; use 0, 1, 2, 3 or auto"
    ):
        EngineConfig(zero_stage=stage)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "ddp", "zero_stage": 2},
            r"engine.kind=ddp shards and offloads nothing, found zero_stage=2",
        ),
        ({"kind": "ddp", "offload": "optimizer"}, r"shards and offloads nothing, .*offload=optimizer"),
        ({"zero_stage": 0, "offload": "optimizer"}, r"offload=optimizer needs zero_stage 1, 2, 3 or auto"),
        ({"zero_stage": 2, "offload": "all"}, r"offload=all needs zero_stage 3 or auto, found 2"),
        ({"accumulate": 0}, r"engine.accumulate must be at least 1, found 0"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EngineConfig(**settings)


def test_a_stage_is_read_from_yaml_as_number_or_auto():
    assert from_dict(EngineConfig, {"zero_stage": 3}).zero_stage == 3
    assert from_dict(EngineConfig, {}).zero_stage == "auto"


def test_clips_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"6 clips per rank and step do not divide by engine.accumulate=4"):
        make_engine(model(), OPTIM, EngineConfig(accumulate=4), 2, 6, Alone())


GIB = 2**30


@pytest.mark.parametrize(
    ("parameters", "ranks", "gib", "stage"),
    [(86_000_000, 8, 80, 1), (300_000_000, 8, 16, 1), (1_000_000_000, 8, 16, 2), (3_000_000_000, 8, 30, 3)],
)
def test_auto_takes_the_lowest_stage_that_fits_and_says_why(parameters, ranks, gib, stage):
    chosen, reason = choose_stage(parameters, ranks, gib * GIB)
    assert chosen == stage
    assert reason.startswith(
        f"zero_stage auto: {stage}, as {parameters / 1e6:.1f} M parameters on {ranks} ranks"
    )
    assert state_bytes(parameters, ranks, stage) <= gib * GIB / 2
    assert stage == 1 or state_bytes(parameters, ranks, stage - 1) > gib * GIB / 2


def test_bytes_of_state_by_hand():
    # weights 4, gradients 4, masters and moments 12
    assert [state_bytes(1000, 4, stage) for stage in range(4)] == [20_000, 11_000, 8_000, 5_000]
    assert state_bytes(1000, 4, 2, optimizer_offloaded=True) == 5_000


def test_what_fits_in_no_stage_is_refused_with_the_ranks_it_needs():
    with pytest.raises(ValueError, match=r"no ZeRO stage fits: .*use at least 20 ranks, engine.offload=all"):
        choose_stage(10**9, 8, 2 * 10**9)
    choose_stage(10**9, 20, 2 * 10**9)


def test_offloading_all_means_stage_3():
    assert resolve_stage(EngineConfig(offload="all"), 10, 1, 2**30)[0] == 3
    assert resolve_stage(EngineConfig(zero_stage=2), 10, 1, 2**30)[0] == 2
    assert resolve_stage(EngineConfig(), 10, 1, 2**30)[0] == 1


def test_no_compiler_is_called():
    for ranks in (1, 2):
        engines(ranks)
    assert calls_of_compilers() == ""
