"""A user's mistakes are found before any process starts."""

from dataclasses import replace

import pytest

from pretrain.config import ConfigError, to_dict
from pretrain.engine import EngineConfig
from pretrain.models.encoder import EncoderConfig
from pretrain.probe import ProbeConfig
from pretrain.recipe import PretrainConfig, check, plan_of, refuse_other_run
from shards.errors import ShardError
from shards.tracks import load_tracks
from tests.drawn_set import write_set
from tests.pretrain.tiny_runs import config_of, easy_set


@pytest.fixture(scope="module")
def set_url(tmp_path_factory) -> str:
    return easy_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def one_person_url(tmp_path) -> str:
    write_set(str(tmp_path / "set"), tmp_path / "tars", people=1, samples_per_person=2, frames=64, units=1)
    return str(tmp_path / "set")


def test_a_set_with_one_person_is_refused(one_person_url):
    config = config_of(one_person_url, "unused")
    with pytest.raises(ConfigError, match=r"shows 1 person; .* at least 2. Pack more .*cross_weight=0"):
        check(config, 1)
    check(replace(config, clp=replace(config.clp, cross_weight=0.0)), 1)


def test_a_batch_that_does_not_divide_is_refused_with_one_that_does(set_url):
    check(config_of(set_url, "unused"), 2)
    with pytest.raises(ConfigError, match=r"run.global_batch=4 does not divide by 3 processes; use 6"):
        check(config_of(set_url, "unused"), 3)
    halves = replace(config_of(set_url, "unused"), engine=EngineConfig(accumulate=2))
    check(halves, 2)
    with pytest.raises(ConfigError, match=r"=4 does not divide by 4 processes x engine.accumulate=2; use 8"):
        check(halves, 4)


def test_checkpoints_that_a_probe_judges_are_judged_by_one_probe(set_url):
    config = config_of(set_url, "unused")
    run = replace(config.run, keep_best="probe/au_r", best_is="highest", save_every=2)
    config = replace(config, run=run, probe=ProbeConfig("one", every=2))
    plan = plan_of(config, [load_tracks(set_url)])
    stored = {"order": plan.describe(), "config": to_dict(config)}
    refuse_other_run(stored, config, plan)
    other = replace(config, probe=ProbeConfig("two", every=2))
    with pytest.raises(ConfigError, match=r"run with other settings; .*: probe.url: 'one' -> 'two'"):
        refuse_other_run(stored, other, plan)
    unjudged = replace(other, run=config_of(set_url, "unused").run)
    refuse_other_run(stored, unjudged, plan)


def test_bfloat16_in_stage_0_is_refused():
    low = EncoderConfig(precision="bfloat16")
    with pytest.raises(
        ValueError, match=r"encoder.precision=bfloat16 with engine.zero_stage=0: .*zero_stage=1"
    ):
        PretrainConfig(encoder=low, engine=EngineConfig(zero_stage=0))
    PretrainConfig(encoder=low, engine=EngineConfig("ddp"))


def test_a_missing_set_or_too_short_samples_are_refused_before_the_start(set_url, tmp_path):
    with pytest.raises(ShardError, match=r"has no manifest.json: not a shard set"):
        check(config_of(str(tmp_path), "unused"), 1)
    config = config_of(set_url, "unused")
    long = replace(config, clp=replace(config.clp, num_frames=64))
    with pytest.raises(ShardError, match=r"none of the 16 samples asked for can hold a clip"):
        check(long, 1)


def test_a_backbone_that_cannot_checkpoint_activations_is_refused(set_url):
    config = replace(config_of(set_url, "unused"), engine=EngineConfig(activation_checkpointing=True))
    with pytest.raises(ConfigError, match=r"transformers' convnext cannot do that; use vit, dinov2 or swin"):
        check(config, 1)
    vit = EncoderConfig("vit", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}, 32)
    check(replace(config, encoder=vit), 1)


def test_an_activitys_batch_is_not_cut_into_micro_batches():
    with pytest.raises(ValueError, match=r"objective=clef with engine.accumulate=2: .*num_activities"):
        PretrainConfig(objective="clef", engine=EngineConfig(accumulate=2))
