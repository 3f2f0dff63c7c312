"""Whole jobs on the toy set: what they write, that they repeat, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from finetune.artifact import load_model
from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.results import load_sums
from finetune.tasks.aunce import AunceConfig
from finetune.tasks.intensity import IntensityConfig
from finetune.tasks.probe import LinearConfig
from finetune.train import FinetuneConfig, run
from pretrain.config import ConfigError, dump, load, parse
from pretrain.metrics.detection import f1
from pretrain.metrics.people import mean_over_aus
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import save_encoder
from pretrain.optim import OptimConfig
from shards.tracks import load_tracks


@pytest.fixture
def config(short_job, tmp_path):
    return replace(short_job, out=tmp_path / "run")


def quiet(metrics, step):
    assert all(np.isfinite(value) for value in metrics.values())


def test_a_detection_job_writes_all_that_it_promises(config):
    result = run(config, quiet)
    content = json.loads((config.out / "result.json").read_text())
    assert content["people"]["test"] == ["SN003", "SN004"]
    assert content["test"]["everything_present"]["f1"]["mean"] > 0
    assert content["test"]["best_on_test"]["f1"]["mean"] >= content["test"]["honest"]["f1"]["mean"] - 1e-12
    sums = load_sums(content["per_person"])
    assert float(mean_over_aus(f1(sums))) == pytest.approx(content["test"]["honest"]["f1"]["mean"])
    table = pq.read_table(config.out / "test_predictions.parquet").to_pandas()
    assert len(table) == 48
    probability = table["AU12_probability"].to_numpy()
    threshold = content["thresholds"][content["aus"].index(12)]
    hits = ((probability >= threshold) & (table["AU12_label"] == 1)).sum()
    assert hits == np.sum(content["per_person"]["true_positive_PA"], axis=0)[content["aus"].index(12)]
    saved = load_model(config.out / "model")
    assert saved.facts["thresholds"] == content["thresholds"]
    assert saved.facts["training_data"]["digest"] == load_tracks(config.data.url).manifest.digest
    assert result["data"]["generated"] is True


def test_an_intensity_job_saves_the_frames_it_learned_from(config):
    config = replace(config, task="intensity")
    result = run(config, quiet)
    labelled = json.loads((config.out / "labelled_frames.json").read_text())["frames"]
    people = set(result["people"]["train"])
    keys = dict(zip(*((t := load_tracks(config.data.url)).keys, t.identities), strict=True))
    assert len(labelled) == round(0.2 * 24 * len(people))
    assert {keys[key] for key, _ in labelled} <= people
    assert result["test"]["labelled_mean"]["icc"]["mean"] == 0
    table = pq.read_table(config.out / "test_predictions.parquet").to_pandas()
    assert table["AU12_intensity_0_5"].between(0, 5).all()


@pytest.mark.parametrize("task", ["aunce", "intensity"])
def test_a_job_repeats_to_the_bit(config, task, tmp_path):
    contents = []
    for name in ("first", "second"):
        run(replace(config, task=task, out=tmp_path / name), quiet)
        files = [
            tmp_path / name / "model" / "model.safetensors",
            tmp_path / name / "test_predictions.parquet",
        ]
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_starts_from_an_exported_encoder_and_refuses_another_recipe(config, tiny_encoder, tmp_path):
    torch.manual_seed(5)
    encoder = FrameEncoder(tiny_encoder)
    digest = load_tracks(config.data.url).manifest.recipe_digest
    save_encoder(encoder, tmp_path / "encoder", {"recipe_digest": digest, "step": 7})
    slow = replace(config.aunce, fit=replace(config.aunce.fit, encoder_rate=1e-9))
    result = run(replace(config, init=str(tmp_path / "encoder"), aunce=slow), quiet)
    assert result["init"]["init"] == "pretrained"
    assert result["init"]["step"] == 7
    kept = load_model(config.out / "model").model.encoder
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], tensor, atol=1e-5, rtol=0)
    save_encoder(encoder, tmp_path / "other", {"recipe_digest": "f" * 64})
    with pytest.raises(ConfigError, match="recipe ffffffffffff, the labelled set has recipe"):
        run(replace(config, init=str(tmp_path / "other"), out=tmp_path / "b"), quiet)


def test_refusals(config, tmp_path, make_set):
    run(config, quiet)
    with pytest.raises(ConfigError, match="holds a finished job already; give another out="):
        run(config, quiet)
    with pytest.raises(ConfigError, match="holds no exported encoder"):
        run(replace(config, init=str(tmp_path / "nowhere"), out=tmp_path / "b"), quiet)
    large = replace(config, encoder=replace(config.encoder, image_size=64), out=tmp_path / "c")
    with pytest.raises(ConfigError, match="crops have 32 px, the encoder wants 64"):
        run(large, quiet)
    url = make_set(tmp_path / "partial", people=("SN001", "SN006", "SN011"))
    with pytest.raises(ConfigError, match=r"no people of part3 in the set \(part1 1/9, part2 2/9"):
        run(replace(config, data=DataConfig(url), out=tmp_path / "d"), quiet)


@pytest.fixture
def learning(config, large_toy_set):
    """Enough steps, at rates for a network of a few thousand weights."""
    settings = {**config.encoder.settings, "layer_scale_init_value": 1.0}
    optim = OptimConfig(learning_rate=5e-3)
    return replace(
        config,
        data=DataConfig(large_toy_set),
        encoder=replace(config.encoder, settings=settings),
        aunce=AunceConfig(
            fit=FitConfig(150, 24, optim, encoder_rate=1.0),
            linear=LinearConfig(epochs=30, learning_rate=0.05),
            width=16,
            temperature=0.1,
        ),
        intensity=IntensityConfig(
            fit=FitConfig(150, 16, replace(optim, learning_rate=1e-2), encoder_rate=1.0),
            labelled_fraction=1.0,
            window=8,
            left_context=5,
            hidden=32,
            width=32,
        ),
    )


def test_detection_learns_what_carries_over_to_other_people(learning):
    assert run(learning, quiet)["test"]["honest"]["auc"]["mean"] > 0.58


def test_intensity_learns_what_carries_over_to_other_people(learning):
    assert run(replace(learning, task="intensity"), quiet)["test"]["honest"]["icc"]["mean"] > 0.2


def test_shipped_configs_load_and_typos_are_named(tmp_path):
    for task in ("aunce", "intensity"):
        words = [f"finetune/configs/{task}_disfa.yaml", "data.url=u", f"out={tmp_path}"]
        config = load(FinetuneConfig, parse(words, ""))
        assert config.task == task
        assert "fold: 3" in dump(config)
    with pytest.raises(ConfigError, match="Did you mean: 'protocol'"):
        load(FinetuneConfig, parse([*words, "protocl.fold=2"], ""))
    with pytest.raises(ConfigError, match="fold=4 does not exist"):
        load(FinetuneConfig, parse([*words, "protocol.fold=4"], ""))
