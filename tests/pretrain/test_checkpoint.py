"""Checkpoints: equal by digest on another number of ranks, committed or not there, fenced, verified."""

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

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
from pretrain.engine import Engine, EngineConfig, make_engine
from pretrain.errors import CheckpointError
from pretrain.memory import Memory
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.retention import Retention
from pretrain.world import Group, World
from shards import storage
from tests.ranks import run_ranks

STEPS, CLIPS = 20, 12


class Regression(nn.Module):
    """Odd sizes, so that slices cut through tensors, one large enough for stage 3 to shard, and statistics
    that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.second = nn.Linear(5, 7), nn.Linear(7, 14801), nn.Linear(14801, 3)
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))

    def forward(self, inputs: torch.Tensor, step: int) -> Losses:
        self.seen += step
        return Losses(self.second(self.wide(self.first(inputs).relu()).tanh()).square().mean(), {})


def make(config: EngineConfig, world: World) -> Engine:
    torch.manual_seed(0)
    return make_engine(Regression(), OptimConfig(1e-2), config, STEPS, CLIPS // world.size, world)


def train(engine: Engine, world: World, start: int, stop: int) -> dict[str, torch.Tensor]:
    """Steps of a batch that does not depend on the ranks; the weights after them."""
    for step in range(start, stop):
        inputs = torch.randn(CLIPS, 5, generator=torch.Generator().manual_seed(step))
        engine.gradients([inputs[world.rank :: world.size]], step)
        engine.step(step)
    return {name: weight.clone() for name, weight in engine.master_weights()}


def companions() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    memory = Memory(11, 4)
    memory.enqueue(torch.randn(7, 4), torch.arange(7))
    return {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": memory}


KINDS = {"ddp": EngineConfig("ddp"), **{f"stage {n}": EngineConfig(zero_stage=n) for n in (1, 2, 3)}}
RANKS = (2, 1, 3, 2)
CHAINS = {
    **{kind: (kind,) * 4 for kind in KINDS},
    "from one engine to another": ("stage 3", "ddp", "stage 1", "stage 2"),
}
USUAL = ("stage 2", "from one engine to another")
OTHER = tuple(chain for chain in CHAINS if chain not in USUAL)


def link_on_rank(
    rank: int, folder: str, number: int, chains: tuple[str, ...]
) -> dict[str, dict[str, torch.Tensor]]:
    """Train 5 steps or restore them, save, and train 3 more; by chain the weights at the end."""
    world, ended = Group(), {}
    for chain in chains:
        kinds = CHAINS[chain]
        engine = make(KINDS[kinds[number]], world)
        url = f"{folder}/{chain}"
        if number == 0:
            train(engine, world, 0, 5)
            checkpoints = Checkpoints(url, 1, engine, companions(), world, Retention(4))
        else:
            empty = {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": Memory(11, 4)}
            checkpoints = Checkpoints(url, 1 + number, engine, empty, world, Retention(4))
            facts = checkpoints.restore_newest(lambda facts: None)
            assert facts is not None
            assert (facts["step"], facts["updates"], facts["mlflow_run_id"]) == (5, 5, "abc")
        checkpoints.save(5, {"mlflow_run_id": "abc"}, {})
        checkpoints.wait()
        assert engine.updates == 5
        world.barrier()
        ended[chain] = train(engine, world, 5, 8)
    return ended


@pytest.fixture(scope="module", params=[USUAL, pytest.param(OTHER, marks=pytest.mark.full)], ids=" / ".join)
def links(request, tmp_path_factory) -> tuple[str, tuple[str, ...], list[dict[str, dict[str, torch.Tensor]]]]:
    """2 -> 1 -> 3 -> 2 ranks: where checkpoints are, of which chains, and the weights after each link."""
    folder, chains = str(tmp_path_factory.mktemp("chains")), request.param
    ended = [run_ranks(link_on_rank, ranks, folder, n, chains)[0] for n, ranks in enumerate(RANKS)]
    return folder, chains, ended


def test_every_tensor_is_the_same_after_2_1_3_2_ranks(links):
    folder, chains, _ = links
    for chain in chains:
        readers = [CheckpointReader(url) for url in committed(f"{folder}/{chain}")]
        assert tuple(reader.facts["ranks"] for reader in readers) == RANKS
        first = readers[0].digests()
        assert all(reader.digests() == first for reader in readers[1:]), chain
        kinds = {kind for kind, _ in readers[0].names()}
        assert kinds == {"weights", "exp_avg", "exp_avg_sq", "buffers", "momentum", "memory"}
        assert readers[-1].read("buffers", "seen").tolist() == [10, 10]


def test_the_next_steps_are_the_same(links):
    _, chains, ended = links
    for chain, number in product(chains, range(1, len(RANKS))):
        straight, weights = ended[0][chain], ended[number][chain]
        same_layout = RANKS[number] == RANKS[0] and len(set(CHAINS[chain])) == 1
        for name, wanted in straight.items():
            share = float((weights[name] - wanted).norm() / wanted.norm())
            assert share < 3e-5, (chain, number, name)
            # As many ranks, the same engine: bit by bit.
            assert not same_layout or torch.equal(weights[name], wanted), (chain, name)


def save_on_rank(rank: int, url: str) -> None:
    world = Group()
    engine = make(EngineConfig(zero_stage=2), world)
    train(engine, world, 0, 5)
    checkpoints = Checkpoints(url, 1, engine, companions(), world)
    checkpoints.save(5, {"mlflow_run_id": "abc"}, {})
    checkpoints.wait()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    url = str(tmp_path_factory.mktemp("run"))
    run_ranks(save_on_rank, 1, url)
    return url


def copy_of(saved: str, tmp_path: Path) -> str:
    for name in storage.list_names(saved):
        storage.write_bytes(str(tmp_path / name), storage.read_bytes(storage.join(saved, name)))
    return str(tmp_path)


def test_a_checkpoint_without_its_marker_is_not_there(saved, tmp_path):
    url = copy_of(saved, tmp_path)
    storage.delete(storage.join(committed(url)[0], MARKER))
    assert committed(url) == []


def restored_on_rank(rank: int, urls: list[str]) -> list[tuple[str, bool]]:
    """What is said of each run by an engine that tries to go on from it, and whether its state changed."""
    world, found = Group(), []
    for url in urls:
        engine, modules = make(EngineConfig("ddp"), world), companions()
        state = [*(f.values for f in engine.fragments()), *engine.buffers().values()]
        state += [tensor for module in modules.values() for tensor in module.state_dict().values()]
        before = [tensor.clone() for tensor in state]
        try:
            Checkpoints(url, 2, engine, modules, world).restore_newest(lambda facts: None)
            said = ""
        except CheckpointError as error:
            said = str(error)
        same = all(torch.equal(*pair) for pair in zip(state, before, strict=True))
        found.append((said, not same))
    return found


def marker_of(checkpoint: Path, change: Callable[[dict[str, Any]], None]) -> None:
    marker = json.loads((checkpoint / MARKER).read_text())
    change(marker)
    (checkpoint / MARKER).write_text(json.dumps(marker))


def altered(checkpoint: Path) -> None:
    path = checkpoint / PART
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut_short(checkpoint: Path) -> None:
    path = checkpoint / PART
    path.write_bytes(path.read_bytes()[:-1])


def of_another_model(checkpoint: Path) -> None:
    def reshape(marker: dict[str, Any]) -> None:
        next(e for e in marker["parts"][0]["slices"] if e["name"] == "second.bias")["shape"] = [1, 3]

    marker_of(checkpoint, reshape)


def without_a_tensor(checkpoint: Path) -> None:
    def drop(marker: dict[str, Any]) -> None:
        slices = marker["parts"][0]["slices"]
        slices.remove(next(e for e in slices if e["kind"] == "memory"))

    marker_of(checkpoint, drop)


PART = "rank-00000.safetensors"
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "altered": (altered, rf"{PART} is not what was committed \(sha256 of bytes .* differs\); delete "),
    "cut short": (cut_short, rf"{PART} has \d+ bytes, and \d+ bytes were committed; delete "),
    "missing": (lambda checkpoint: (checkpoint / PART).unlink(), rf"{PART} is missing, and \d+ bytes were"),
    "of another version": (
        lambda checkpoint: marker_of(checkpoint, lambda marker: marker.pop("format")),
        r"0001-00000005 has format 1, and this version reads 2; go on with the version that wrote it",
    ),
    "of another model": (of_another_model, r"'second.bias' has shape \(1, 3\), and this model wants \(3,\)"),
    "without a tensor": (without_a_tensor, r"has no memory of 'identity_K'; it belongs to another model"),
}


@pytest.fixture(scope="module")
def refusals(saved, tmp_path_factory) -> dict[str, tuple[str, bool]]:
    urls = {}
    for name, (damage, _) in DAMAGE.items():
        urls[name] = copy_of(saved, tmp_path_factory.mktemp("damaged"))
        damage(Path(committed(urls[name])[0]))
    urls["whole"] = saved
    [found] = run_ranks(restored_on_rank, 1, list(urls.values()))
    return dict(zip(urls, found, strict=True))


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_name(refusals, name):
    said, changed = refusals[name]
    assert re.search(DAMAGE[name][1], said), said
    # An altered byte is seen when it is read, and what was read before is in place by then.
    assert not changed or name == "altered"


def test_the_same_checkpoint_undamaged_is_restored(refusals):
    assert refusals["whole"] == ("", True)


def test_a_missing_slice_is_refused(saved, tmp_path):
    [checkpoint] = committed(copy_of(saved, tmp_path))
    path = Path(checkpoint, MARKER)
    marker = json.loads(path.read_text())
    entry = next(e for e in marker["parts"][0]["slices"] if e["name"] == "first.weight")
    entry["start"] = 3
    path.write_text(json.dumps(marker))
    with pytest.raises(CheckpointError, match="do not make up its 35 values"):
        CheckpointReader(checkpoint).read(entry["kind"], "first.weight")


class Wide(nn.Module):
    """Large enough for slices of many blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 150_001), nn.Linear(150_001, 3)

    def forward(self, inputs: torch.Tensor, step: int) -> Losses:
        return Losses(self.second(self.first(inputs).tanh()).square().mean(), {})


def bytes_on_rank(rank: int, url: str) -> dict[str, tuple[int, int, bool]]:
    """By stage: bytes of a value each of all parameters, bytes that are read, and whether all is back."""
    world, found = Group(), {}
    for stage in (1, 3):
        place = storage.join(url, str(stage))
        engines = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            engines.append(
                make_engine(Wide(), OptimConfig(1e-2), EngineConfig(zero_stage=stage), STEPS, 2, world)
            )
        train_wide(engines[0])
        checkpoints = Checkpoints(place, 1, engines[0], {}, world)
        checkpoints.save(1, {}, {})
        checkpoints.wait()
        world.barrier()
        reader = CheckpointReader(committed(place)[0])
        engines[1].restore(reader.fill, 1)
        pairs = zip(engines[0].fragments(), engines[1].fragments(), strict=True)
        same = [torch.equal(one.values, other.values) for one, other in pairs]
        weights = zip(engines[0].master_weights(), engines[1].master_weights(), strict=True)
        same += [torch.equal(one.clone(), other) for (_, one), (_, other) in weights]
        numel = sum(parameter.numel() for parameter in Wide().parameters())
        found[f"stage {stage}"] = (4 * numel, reader.bytes_read, all(same))
    return found


def train_wide(engine: Engine) -> None:
    engine.gradients([torch.randn(2, 5, generator=torch.Generator().manual_seed(0))], 0)
    engine.step(0)


def test_each_rank_reads_what_it_keeps(bucket_url):
    for found in run_ranks(bytes_on_rank, 2, bucket_url):
        for stage, (weights, read, same) in found.items():
            assert same, stage
            moments = 2 * weights / 2
            wanted = (weights if stage == "stage 1" else weights / 2) + moments
            # Blocks at the ends of slices belong to both.
            assert wanted <= read < 1.1 * wanted, stage


def test_attempts_are_numbered_once_each(tmp_path):
    assert [claim_attempt(str(tmp_path)) for _ in range(3)] == [1, 2, 3]


def test_an_older_attempt_cannot_commit_over_a_newer(tmp_path):
    assert run_ranks(fenced_on_rank, 1, str(tmp_path)) == ["attempt 1 was replaced by a newer one"]
    assert committed(str(tmp_path)) == []


def fenced_on_rank(rank: int, url: str) -> str:
    world = Group()
    engine = make(EngineConfig("ddp"), world)
    checkpoints = Checkpoints(url, claim_attempt(url), engine, companions(), world)
    claim_attempt(url)
    checkpoints.save(1, {}, {})
    with pytest.raises(CheckpointError) as caught:
        checkpoints.wait()
    return str(caught.value.__cause__).partition(";")[0]


def test_only_what_retention_keeps_is_left(tmp_path):
    run_ranks(many_on_rank, 1, str(tmp_path))
    kept = ["0001-00000002", "0001-00000003", "0001-00000006", "0001-00000007"]
    assert [Path(url).name for url in committed(str(tmp_path))] == kept
    names = storage.list_names(str(tmp_path))
    assert {name.split("/")[1] for name in names if name.startswith("checkpoints")} == set(kept)


def many_on_rank(rank: int, url: str) -> None:
    """The best is that of step 2; a later process knows that too."""
    world, scores = Group(), {1: 5.0, 2: 1.0, 3: 4.0, 4: 3.0, 5: 9.0, 6: 2.0, 7: 8.0}
    engine, retention = make(EngineConfig("ddp"), world), Retention(1, every=3, best="loss/total")
    for steps in (range(1, 4), range(4, 8)):
        checkpoints = Checkpoints(url, 1, engine, companions(), world, retention)
        for step in steps:
            checkpoints.save(step, {}, {"loss/total": scores[step]})
        checkpoints.wait()
    with pytest.raises(CheckpointError, match=r"keep_best='loss/total' is none of .* use one of loss/other"):
        checkpoints.save(8, {}, {"loss/other": 1.0})
