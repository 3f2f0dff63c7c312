"""The engine equals plain AdamW on the concatenated batch, for ZeRO 1 and 2 on 1 and 2 ranks."""

import math
import os
import subprocess
import sys
import textwrap
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pretrain.engine import EXP_AVG, EXP_AVG_SQ, WEIGHTS, Engine, EngineConfig
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from tests.ranks import run_ranks

STEPS, CLIPS = 12, 8
OPTIM = OptimConfig(learning_rate=0.05, weight_decay=0.1, beta1=0.8, beta2=0.95, warmup=0.25, clip_norm=0.7)
# fp32: another order of the same additions, over a few steps.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}
LAYOUTS = [(stage, ranks) for stage in (1, 2) for ranks in (1, 2)]
every_layout = pytest.mark.parametrize(("stage", "ranks"), LAYOUTS)


class Regression(nn.Module):
    """Odd sizes, so that ranks' slices cut through tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, inputs: Tensor, step: int) -> Losses:
        outputs = self.second(self.first(inputs).tanh())
        return Losses((outputs - inputs[:, :3] * (1 + step % 3)).square().mean(), {})


def model() -> Regression:
    torch.manual_seed(0)
    return Regression()


def inputs_of(step: int) -> Tensor:
    return torch.randn(CLIPS, 5, generator=torch.Generator().manual_seed(step))


def on_rank(rank: int, ranks: int) -> dict[int, dict[str, Any]]:
    """By stage: what an engine made of the steps, with this rank's part of each batch."""
    found = {}
    for stage in (1, 2):
        engine = Engine(model(), OPTIM, EngineConfig(stage), STEPS, CLIPS // ranks)
        fresh = [(f.kind, f.name, f.start, f.values.clone()) for f in engine.fragments()]
        norms, losses = [], []
        for step in range(STEPS):
            local = inputs_of(step).chunk(ranks)[rank]
            losses.append(engine(local, step).total.item())
            engine.backward(engine(local, step).total)
            engine.step(step)
            norms.append(engine.gradient_norm)
        found[stage] = {
            "norms": norms,
            "losses": losses,
            "weights": {name: w.clone() for name, w in engine.master_weights().items()},
            "fresh": fresh,
            "fragments": [(f.kind, f.name, f.shape, f.start, f.values.clone()) for f in engine.fragments()],
        }
    return found


@cache
def engines(ranks: int) -> list[dict[int, dict[str, Any]]]:
    """What each rank found; one group for all tests."""
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
        norms.append(math.sqrt(sum(p.grad.square().sum().item() for p in parameters.values())))
        for p in parameters.values():
            p.grad *= min(1.0, 0.7 / norms[-1])
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * ((step + 1) / 3 if step < 3 else math.cos(math.pi / 2 * (step - 3) / 9) ** 2)
        optimizer.step()
    moments = {
        (kind, name): optimizer.state[p][kind]
        for kind in (EXP_AVG, EXP_AVG_SQ)
        for name, p in parameters.items()
    }
    weights = {name: p.detach() for name, p in trained.named_parameters()}
    return {"norms": norms, "losses": losses, "weights": weights, "moments": moments}


@every_layout
def test_weights_equal_plain_adamw(stage, ranks):
    for found in engines(ranks):
        assert found[stage]["weights"].keys() == plain()["weights"].keys()
        for name, wanted in plain()["weights"].items():
            torch.testing.assert_close(found[stage]["weights"][name], wanted, **TOLERANCE, msg=name)


@every_layout
def test_the_mean_loss_of_the_ranks_is_that_of_the_whole_batch(stage, ranks):
    by_rank = torch.tensor([found[stage]["losses"] for found in engines(ranks)])
    torch.testing.assert_close(by_rank.mean(dim=0), torch.tensor(plain()["losses"]), **TOLERANCE)


@every_layout
def test_the_gradient_norm_is_that_of_all_ranks_before_clipping(stage, ranks):
    wanted = plain()["norms"]
    assert min(wanted) < OPTIM.clip_norm < max(wanted)
    for found in engines(ranks):
        assert found[stage]["norms"] == pytest.approx(wanted, rel=1e-3)


@every_layout
def test_fragments_cover_every_parameter_once_and_hold_its_state(stage, ranks):
    whole = {(WEIGHTS, name): w for name, w in plain()["weights"].items()}
    whole |= plain()["moments"]
    covered: Counter[tuple[str, str, int]] = Counter()
    for found in engines(ranks):
        for kind, name, shape, start, values in found[stage]["fragments"]:
            wanted = whole[kind, name]
            assert shape == tuple(wanted.shape)
            covered.update((kind, name, start + i) for i in range(values.numel()))
            part = wanted.flatten()[start : start + values.numel()]
            torch.testing.assert_close(values.flatten(), part, **TOLERANCE, msg=f"{kind} {name}")
    assert covered == Counter((kind, name, i) for (kind, name), w in whole.items() for i in range(w.numel()))


@every_layout
def test_fragments_are_there_before_the_first_step(stage, ranks):
    start = dict(model().named_parameters())
    for found in engines(ranks):
        fresh, later = found[stage]["fresh"], found[stage]["fragments"]
        assert [entry[:2] for entry in fresh] == [entry[:2] for entry in later]
        for kind, name, first, values in fresh:
            if kind == WEIGHTS:
                wanted = start[name].detach().flatten()[first : first + values.numel()]
                assert torch.equal(values.flatten(), wanted)
            else:
                assert not values.any()


@pytest.mark.parametrize("stage", [0, 3, -1])
def test_other_stages_are_refused(stage):
    with pytest.raises(ValueError, match=rf"engine.zero_stage={stage} is not supported; use 1 or 2"):
        EngineConfig(stage)


WITHOUT_A_COMPILER = """
    import torch
    from torch import nn
    from pretrain.engine import Engine, EngineConfig
    from pretrain.objectives.objective import Losses
    from pretrain.optim import OptimConfig
    from pretrain.world import join_group

    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 3))

        def forward(self, inputs, step):
            return Losses((inputs @ self.weight).square().mean(), {})

    world = join_group()
    engine = Engine(Square(), OptimConfig(), EngineConfig(2), 2, 4)
    for step in range(2):
        engine.backward(engine(torch.ones(4, 3), step).total)
        engine.step(step)
    assert (engine.master_weights()["weight"] < 1).all()
"""


def test_no_compiler_is_called(tmp_path):
    called = tmp_path / "called"
    for name in ("cc", "gcc", "g++", "c++", "clang", "clang++", "ninja", "nvcc", "make", "cmake"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{called}\nexit 1\n')
        program.chmod(0o755)
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_A_COMPILER)],
        env={k: v for k, v in os.environ.items() if k not in ("CC", "CXX", "RANK", "WORLD_SIZE")}
        | {"PATH": str(tmp_path / "bin"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert not called.exists(), called.read_text()
