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

from pretrain.config import ConfigError
from pretrain.engine import EngineConfig, make_engine
from pretrain.engines.fragment import EXP_AVG, EXP_AVG_SQ, WEIGHTS
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
    found = {}
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


def test_clips_that_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match=r"6 clips per rank and step do not divide by engine.accumulate=4"):
        make_engine(model(), OPTIM, EngineConfig(accumulate=4), 2, 6, Alone())


def test_no_compiler_is_called():
    for ranks in (1, 2):
        engines(ranks)
    assert calls_of_compilers() == ""
