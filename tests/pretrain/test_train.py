"""The recipe end to end, on real shards: it learns, ends, and goes on where it was killed."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.config import from_dict
from pretrain.engine import EngineConfig
from pretrain.errors import NotFiniteError
from pretrain.meter import clip_fingerprint
from pretrain.models.exported import load_encoder
from pretrain.optim import OptimConfig
from pretrain.recipe import PretrainConfig, check
from pretrain.tracking import NoTracker, SpoolTracker, Tracker
from pretrain.train import train
from pretrain.world import join_group
from shards.forget import forget
from shards.plan import Plan
from shards.tracks import load_tracks
from tests.pretrain.tiny_runs import (
    BATCH,
    GOLDEN,
    GOLDEN_METRICS,
    SAVE_EVERY,
    STEPS,
    Curve,
    check_golden,
    config_of,
    curve,
    easy_set,
    kill_in_the_middle,
    refusal,
    spool_of,
    start,
    tiny_run,
    trained,
)
from tests.ranks import run_ranks


def all_in_one_process(rank: int, set_url: str, folder: Path) -> dict[str, Any]:
    """What the tests below look at: DeepSpeed is imported once."""
    straight = config_of(set_url, str(folder / "straight"))
    other_seed = replace(straight, run=replace(straight.run, seed=1))
    other_batch = replace(straight, run=replace(straight.run, global_batch=8))
    other_model = replace(straight, clp=replace(straight.clp, dim=8))
    tiny = tiny_run(set_url, folder / "tiny")
    return {
        "straight": trained(straight, folder / "straight.jsonl"),
        "again": trained(straight, folder / "again.jsonl"),
        "other seed": refusal(other_seed, folder / "seed.jsonl"),
        "other batch": refusal(other_batch, folder / "batch.jsonl"),
        "other model": refusal(other_model, folder / "model.jsonl"),
        "tiny": trained(tiny, folder / "tiny.jsonl"),
        "not finite": why_it_stops(diverging(set_url, folder / "stop", "stop"), folder / "stop.jsonl"),
        "skipping": trained(diverging(set_url, folder / "skip", "skip"), folder / "skip.jsonl"),
    }


def why_it_stops(config: PretrainConfig, spool: Path) -> str:
    with pytest.raises(NotFiniteError) as caught:
        trained(config, spool)
    return str(caught.value)


def diverging(set_url: str, run_url: Path, on_not_finite: str) -> PretrainConfig:
    """The first step's rate is so high that no later one has a finite gradient."""
    config = config_of(set_url, str(run_url), steps=6, log_every=2, save_every=2, on_not_finite=on_not_finite)
    return replace(config, optim=OptimConfig(learning_rate=1e30, warmup=0.0))


@pytest.fixture(scope="module")
def set_url(tmp_path_factory) -> str:
    return easy_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def found(set_url, tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs")
    killed = config_of(set_url, str(folder / "killed"))
    kill_in_the_middle(killed, folder / "first")
    before = [Path(url).name for url in committed(killed.run.url)]
    process = start(killed, folder / "second")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    [result] = run_ranks(all_in_one_process, 1, set_url, folder)
    return {
        **result,
        "folder": folder,
        "killed": curve(spool_of(folder / "first")),
        "resumed": curve(spool_of(folder / "second")),
        "said": said.splitlines(),
        "checkpoints before": before,
    }


def mean_loss(curve: Curve, steps: range, name: str = "loss/temporal") -> float:
    return sum(curve[step][name] for step in steps) / len(steps)


def test_the_loss_is_finite_and_falls(found):
    curve = found["straight"]["curve"]
    assert list(curve) == list(range(1, STEPS + 1))
    assert all(math.isfinite(value) for metrics in curve.values() for value in metrics.values())
    assert mean_loss(curve, range(51, 61)) < 0.93 * mean_loss(curve, range(1, 11))


def test_both_parts_of_the_loss_are_active_for_most_of_the_run(found):
    shares = [metrics["clp/both_parts_share"] for metrics in found["straight"]["curve"].values()]
    assert shares == sorted(shares)
    assert sum(shares) / len(shares) > 0.9
    last = found["straight"]["curve"][STEPS]
    assert last["clp/cross_weight"] == 1.0
    assert last["loss/total"] == pytest.approx(last["loss/temporal"] + last["loss/cross_identity"], rel=1e-6)


def test_exactly_the_planned_frames_are_consumed(found, set_url):
    tracks = load_tracks(set_url)
    config = config_of(set_url, "unused")
    plan = Plan(tracks, config.clp.clip_spec, BATCH, 0, config.clp.batch_policy)
    for step, metrics in found["straight"]["curve"].items():
        planned = sum(
            clip_fingerprint(c.position, tracks.keys[c.row], c.frames_T) for c in plan.batch(step - 1)
        )
        assert metrics["data/order_fingerprint"] == planned


def test_a_killed_run_goes_on_as_if_nothing_had_happened(found):
    killed, resumed, straight = (found["killed"], found["resumed"], found["straight"]["curve"])
    assert len(killed) < STEPS
    first = int(found["checkpoints before"][-1].split("-")[1]) + 1
    assert first > SAVE_EVERY
    assert list(resumed) == list(range(first, STEPS + 1))
    # Of the machine, or of what was read ahead.
    measured = ("speed/", "memory/", "data/wait", "data/fetched", "data/requests")
    for part in (killed, resumed):
        for step, metrics in part.items():
            for name, value in metrics.items():
                if not name.startswith(measured) and not name.endswith("_busy"):
                    # One process on a CPU: bit by bit.
                    assert value == straight[step][name], (step, name)


def test_the_resumed_run_ends_with_the_same_tensors(found):
    one, other = (
        CheckpointReader(committed(str(found["folder"] / run))[-1]) for run in ("straight", "killed")
    )
    assert one.digests() == other.digests()
    assert one.facts["note"] == "kept"
    assert one.facts["step"] == STEPS
    assert (one.facts["attempt"], other.facts["attempt"]) == (1, 2)
    assert from_dict(PretrainConfig, one.facts["config"]).run.steps == STEPS


def test_a_finished_run_started_again_trains_nothing_and_keeps_its_encoder(found):
    assert found["again"]["curve"] == {}
    assert found["again"]["url"] == found["straight"]["url"] == str(found["folder"] / "straight" / "encoder")
    encoder, facts = load_encoder(Path(found["again"]["url"]))
    assert facts["step"] == STEPS
    reader = CheckpointReader(committed(str(found["folder"] / "straight"))[-1])
    for name, tensor in encoder.backbone.state_dict().items():
        stored = reader.read("weights", f"student.encoder.backbone.{name}")
        assert torch.equal(tensor.flatten(), stored), name


def test_the_encoder_says_what_it_was_trained_on(found, set_url):
    _, facts = load_encoder(Path(found["straight"]["url"]))
    manifest = load_tracks(set_url).manifest
    assert facts["recipe_digest"] == manifest.recipe.digest
    assert facts["recipe"] == json.loads(manifest.to_json())["recipe"]
    assert facts["trained_on"] == manifest.digest
    assert from_dict(PretrainConfig, facts["config"]) == config_of(set_url, str(found["folder"] / "straight"))


def test_the_command_says_where_metrics_and_encoder_are(found):
    said, folder = found["said"], found["folder"]
    assert f"metrics: {spool_of(folder / 'second')}" in said
    assert said[-1] == f"encoder: {folder}/killed/encoder"
    assert any(line.startswith(f"step {STEPS}/{STEPS}  ") for line in said)


def test_another_order_of_data_is_refused_naming_the_difference(found):
    for name, difference in (("seed", "seed: 0 -> 1"), ("batch", "global_batch: 4 -> 8")):
        kind, message = found[f"other {name}"]
        assert kind == "ManifestMismatchError"
        assert message == (
            f"this run began with another order of data; start a new run or restore: {difference}"
        )


def test_another_model_is_refused_naming_the_difference(found):
    kind, message = found["other model"]
    assert kind in ("ConfigError", "ManifestMismatchError")
    assert "clp.dim: 16 -> 8" in message


def test_ten_steps_follow_the_golden_curve(found, request):
    """Rewrite with `pytest tests/pretrain/test_train.py --regold` when a change is meant to alter numbers."""
    tiny: Curve = found["tiny"]["curve"]
    if request.config.getoption("--regold"):
        curve = {str(step): {name: tiny[step][name] for name in GOLDEN_METRICS} for step in tiny}
        GOLDEN.write_text(json.dumps(curve, indent=1) + "\n")
    check_golden(tiny)


def test_a_run_that_diverges_stops_and_names_the_steps(found):
    assert found["not finite"].startswith(
        "gradient not finite in step 2; loss not finite on rank 0 in step 2. "
    )


def test_a_run_that_skips_goes_on_and_counts(found):
    skipped = [metrics["optim/skipped_updates"] for metrics in found["skipping"]["curve"].values()]
    assert skipped == [1.0, 2.0, 2.0]
    reader = CheckpointReader(committed(str(found["folder"] / "skip"))[-1])
    assert (reader.facts["step"], reader.facts["updates"]) == (6, 1)
    for name in (name for kind, name in reader.names() if kind == "weights"):
        assert reader.read("weights", name).isfinite().all(), name


def test_a_run_that_goes_on_reads_nothing_of_who_was_forgotten_meanwhile(tmp_path):
    url = easy_set(tmp_path)
    config = config_of(url, str(tmp_path / "run"))
    kill_in_the_middle(config, tmp_path / "first")
    forget(url, "person3")
    process = start(config, tmp_path / "second")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    resumed = curve(spool_of(tmp_path / "second"))
    tracks = load_tracks(url, left_out=[])
    plan = Plan(tracks, config.clp.clip_spec, BATCH, config.run.seed, config.clp.batch_policy)
    first, ahead = min(resumed) - 1, 2 * config.data.stream.read_ahead + 1

    def planned(steps: range) -> int:
        return sum(tracks.withheld[clip.row] for step in steps for clip in plan.batch(step))

    withheld = resumed[STEPS]["data/withheld_clips"]
    assert 0 < planned(range(first, STEPS)) <= withheld <= planned(range(first, STEPS + ahead))
    fresh = config_of(url, str(tmp_path / "fresh"))
    check(fresh, 1)
    assert "person3" not in load_tracks(url).identities


ENGINES = {
    "ddp": EngineConfig("ddp"),
    "stage 3": EngineConfig(zero_stage=3),
}


def engines_on_rank(rank: int, set_url: str, folder: Path) -> dict[str, Curve]:
    """The tiny run with each engine."""
    curves = {}
    for name, engine in ENGINES.items():
        spool = folder / f"{name} {rank}.jsonl"
        tracker: Tracker = SpoolTracker(spool) if rank == 0 else NoTracker()
        train(replace(tiny_run(set_url, folder / name), engine=engine), join_group(), tracker, {})
        tracker.finish()
        curves[name] = curve(spool) if rank == 0 else {}
    return curves


@pytest.fixture(scope="module")
def curves_of_engines(set_url, tmp_path_factory) -> tuple[Path, dict[str, Curve]]:
    """On 2 ranks."""
    folder = tmp_path_factory.mktemp("engines")
    return folder, run_ranks(engines_on_rank, 2, set_url, folder)[0]


@pytest.mark.full
@pytest.mark.parametrize("name", ENGINES)
def test_other_engines_on_two_ranks_follow_the_golden_curve(curves_of_engines, name):
    check_golden(curves_of_engines[1][name])


@pytest.mark.full
@pytest.mark.parametrize("name", ENGINES)
def test_other_engines_export_what_they_have_saved(curves_of_engines, name):
    run = curves_of_engines[0] / name
    encoder, _ = load_encoder(run / "encoder")
    reader = CheckpointReader(committed(str(run))[-1])
    assert reader.facts["ranks"] == 2
    for parameter, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(tensor.flatten(), reader.read("weights", f"student.encoder.backbone.{parameter}"))
