"""Checkpoints: equal by digest on another number of ranks, fenced, and no more of them than are kept."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

from pretrain.attempt import Attempt, claim_attempt
from pretrain.checkpoint import Checkpoints
from pretrain.checkpoint_files import MARKER
from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.engine import EngineConfig
from pretrain.errors import CheckpointError, FencedError
from pretrain.memory import Memory
from pretrain.retention import Retention
from pretrain.world import Group
from shards import storage
from tests.pretrain.checkpoint_runs import companions, make, train
from tests.ranks import run_ranks

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
            checkpoints = Checkpoints(Attempt(url, 1), engine, companions(), world, Retention(4))
        else:
            empty = {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": Memory(11, 4)}
            checkpoints = Checkpoints(Attempt(url, 1 + number), engine, empty, world, Retention(4))
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


def test_an_older_attempt_cannot_commit_over_a_newer(tmp_path):
    """Neither after the newer came, nor when that comes while the older commits."""
    [said] = run_ranks(fenced_on_rank, 1, str(tmp_path))
    assert said == [f"attempt {n} at {tmp_path} was replaced by attempt {n + 1}" for n in (1, 3)]
    assert committed(str(tmp_path)) == []


def fenced_on_rank(rank: int, url: str) -> list[str]:
    world, said = Group(), []
    engine = make(EngineConfig("ddp"), world)
    put = storage.write_bytes

    def late(place: str, data: bytes) -> None:
        """As a process that is stopped between its look at the attempts and its put."""
        if place.endswith(MARKER):
            claim_attempt(url)
        put(place, data)

    for write in (put, late):
        storage.write_bytes = write
        checkpoints = Checkpoints(claim_attempt(url), engine, companions(), world)
        if write is put:
            claim_attempt(url)
        checkpoints.save(1, {}, {})
        with pytest.raises(FencedError) as caught:
            checkpoints.wait()
        said.append(str(caught.value).partition(";")[0])
    return said


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
        checkpoints = Checkpoints(Attempt(url, 1), engine, companions(), world, retention)
        for step in steps:
            checkpoints.save(step, {}, {"loss/total": scores[step]})
        checkpoints.wait()
    with pytest.raises(CheckpointError, match=r"keep_best='loss/total' is none of .* use one of loss/other"):
        checkpoints.save(8, {}, {"loss/other": 1.0})
