"""Checkpoints: equal by digest on another number of ranks, committed or not there, fenced, verified."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from pretrain.checkpoint import (
    MARKER,
    CheckpointReader,
    Checkpoints,
    claim_attempt,
    committed,
)
from pretrain.engine import Engine, EngineConfig
from pretrain.errors import CheckpointError
from pretrain.memory import Memory
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.world import Group, World
from shards import storage
from tests.ranks import run_ranks

STEPS = 20


class Regression(nn.Module):
    """Odd sizes, so that ranks' slices cut through tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, inputs: torch.Tensor, step: int) -> Losses:
        return Losses(self.second(self.first(inputs).relu()).square().mean(), {})


def trained(world: World, stage: int, start: int, stop: int, engine: Engine | None = None) -> Engine:
    torch.manual_seed(0)
    engine = engine or Engine(Regression(), OptimConfig(1e-2), EngineConfig(stage), STEPS, 8 // world.size)
    for step in range(start, stop):
        inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
        engine.backward(engine(inputs[world.rank :: world.size], step).total)
        engine.step(step)
    return engine


def companions() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    memory = Memory(11, 4)
    memory.enqueue(torch.randn(7, 4), torch.arange(7))
    return {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": memory}


def save_on_rank(rank: int, url: str, stage: int) -> list[float]:
    world = Group()
    engine = trained(world, stage, 0, 5)
    checkpoints = Checkpoints(url, 1, engine, companions(), world)
    checkpoints.save(5, {"mlflow_run_id": "abc"})
    checkpoints.wait()
    engine = trained(world, stage, 5, 8, engine)
    return [float(w.sum()) for w in engine.master_weights().values()]


def resume_on_rank(rank: int, url: str, stage: int) -> list[float]:
    world = Group()
    engine = Engine(Regression(), OptimConfig(1e-2), EngineConfig(stage), STEPS, 8 // world.size)
    empty = {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": Memory(11, 4)}
    checkpoints = Checkpoints(url, 2, engine, empty, world)
    facts = checkpoints.restore_newest(lambda facts: None)
    assert facts is not None
    assert (facts["step"], facts["mlflow_run_id"]) == (5, "abc")
    checkpoints.save(5, {})
    checkpoints.wait()
    engine = trained(world, stage, 5, 8, engine)
    return [float(w.sum()) for w in engine.master_weights().values()]


@pytest.mark.parametrize("stage", [1, 2])
def test_two_ranks_to_one_keeps_every_tensor_and_the_next_steps(tmp_path, stage):
    url = str(tmp_path)
    straight = run_ranks(save_on_rank, 2, url, stage)[0]
    resumed = run_ranks(resume_on_rank, 1, url, stage)[0]
    first, second = (CheckpointReader(checkpoint) for checkpoint in committed(url))
    assert first.digests() == second.digests()
    assert first.facts["ranks"] == 2
    kinds = {kind for kind, _ in first.names()}
    assert kinds == {"weights", "exp_avg", "exp_avg_sq", "momentum", "memory"}
    assert resumed == pytest.approx(straight, rel=1e-5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    url = str(tmp_path_factory.mktemp("run"))
    run_ranks(save_on_rank, 1, url, 2)
    return url


def copy_of(saved: str, tmp_path: Path) -> str:
    for name in storage.list_names(saved):
        storage.write_bytes(str(tmp_path / name), storage.read_bytes(storage.join(saved, name)))
    return str(tmp_path)


def test_a_checkpoint_without_its_marker_is_not_there(saved, tmp_path):
    url = copy_of(saved, tmp_path)
    storage.delete(storage.join(committed(url)[0], MARKER))
    assert committed(url) == []


def test_an_altered_file_is_refused_by_name(saved, tmp_path):
    [checkpoint] = committed(copy_of(saved, tmp_path))
    path = Path(checkpoint, "rank-00000.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"rank-00000.safetensors is not what was committed.*delete"):
        CheckpointReader(checkpoint)


def test_a_missing_slice_is_refused(saved, tmp_path):
    [checkpoint] = committed(copy_of(saved, tmp_path))
    path = Path(checkpoint, MARKER)
    marker = json.loads(path.read_text())
    entry = next(e for e in marker["parts"][0]["slices"] if e["name"] == "first.weight")
    entry["start"] = 3
    path.write_text(json.dumps(marker))
    with pytest.raises(CheckpointError, match="do not make up its 35 values"):
        CheckpointReader(checkpoint).read(entry["kind"], "first.weight")


def test_attempts_are_numbered_once_each(tmp_path):
    assert [claim_attempt(str(tmp_path)) for _ in range(3)] == [1, 2, 3]


def test_an_older_attempt_cannot_commit_over_a_newer(tmp_path):
    assert run_ranks(fenced_on_rank, 1, str(tmp_path)) == ["attempt 1 was replaced by a newer one"]
    assert committed(str(tmp_path)) == []


def fenced_on_rank(rank: int, url: str) -> str:
    world = Group()
    checkpoints = Checkpoints(url, claim_attempt(url), trained(world, 2, 0, 1), companions(), world)
    claim_attempt(url)
    checkpoints.save(1, {})
    with pytest.raises(CheckpointError) as caught:
        checkpoints.wait()
    return str(caught.value.__cause__).partition(";")[0]


def test_only_the_newest_are_kept(tmp_path):
    run_ranks(many_on_rank, 1, str(tmp_path))
    assert [Path(url).name for url in committed(str(tmp_path))] == ["0001-00000003", "0001-00000004"]
    assert {
        name.split("/")[1] for name in storage.list_names(str(tmp_path)) if name.startswith("checkpoints")
    } == {
        "0001-00000003",
        "0001-00000004",
    }


def many_on_rank(rank: int, url: str) -> None:
    world = Group()
    checkpoints = Checkpoints(url, 1, trained(world, 2, 0, 1), companions(), world, keep=2)
    for step in range(1, 5):
        checkpoints.save(step, {})
    checkpoints.wait()
