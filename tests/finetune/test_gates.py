"""Each gate lets pass what is as wanted, and refuses what is not, with both numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.gates import GatesConfig, ask_gates
from finetune.results import dump_sums, load_sums
from pretrain.config import ConfigError
from shards.tracks import load_tracks

LOOSE = {"limit": 0.0, "most_identity": 1.0}


@pytest.fixture(scope="module")
def detection(short_jobs):
    return json.loads((short_jobs / "aunce" / "result.json").read_text())


@pytest.fixture(scope="module")
def videos(make_set, tmp_path_factory):
    """Two videos of each of five people."""
    return make_set(tmp_path_factory.mktemp("videos") / "set", videos=2)


def pretrained(result, url, trained_on=None):
    """The same job as if it had begun with an encoder pretrained on `url`."""
    digest = trained_on or load_tracks(url).manifest.digest
    config = {"objective": "clp", "data": {"url": url, "also": []}}
    init = {"init": "pretrained", "source": "there", "trained_on": digest, "step": 1, "config": config}
    return result | {"init": {**result["init"], **init}}


@pytest.fixture
def ask(short_jobs, detection, videos):
    def ask(name, result=None, champion=None, folder=None, **config):
        settings = GatesConfig(**{**LOOSE, "identity_set": videos, **config})
        folder = folder or short_jobs / (result or detection)["task"] / "model"
        gates = {gate.name: gate for gate in ask_gates(folder, result or detection, champion, settings)}
        assert list(gates) == ["held_out", "champion", "leakage", "identity", "export"]
        return gates[name]

    return ask


def test_a_good_model_passes_each(short_jobs, detection, videos):
    gates = ask_gates(
        short_jobs / "aunce" / "model", detection, None, GatesConfig(**LOOSE, identity_set=videos)
    )
    assert [gate.line for gate in gates if not gate.passed] == []
    assert "27 of 27 numbers of the run equal" in gates[-1].line


def test_held_out_scores_have_a_limit_on_their_own_side(ask, detection, short_jobs):
    f1 = detection["test"]["honest"]["f1"]["mean"]
    gate = ask("held_out", limit=f1 + 0.01)
    assert not gate.passed
    assert (
        gate.line == f"refused  held_out: found f1 {f1:.4f} on 2 never seen; wanted f1 at least {f1 + 0.01:g}"
    )
    intensity = json.loads((short_jobs / "intensity" / "result.json").read_text())
    error = intensity["test"]["honest"]["mae"]["mean"]
    assert ask("held_out", intensity, score="mae", limit=error + 0.01).passed
    assert not ask("held_out", intensity, score="mae", limit=error - 0.01).passed
    with pytest.raises(ConfigError, match=r"score='icc': detection has \['f1', 'auc', 'accuracy'\]"):
        ask("held_out", score="icc")


def test_a_score_that_is_not_defined_is_refused(ask, detection):
    result = json.loads(json.dumps(detection))
    result["test"]["honest"]["f1"]["mean"] = None
    assert "no f1" in ask("held_out", result).found


def better(result):
    """As if every frame of the tested people had been told rightly."""
    sums = load_sums(result["per_person"])
    none = np.zeros_like(sums.false_positive_PA)
    hits = sums.true_positive_PA + sums.false_negative_PA
    perfect = replace(sums, true_positive_PA=hits, false_positive_PA=none, false_negative_PA=none)
    return result | {"per_person": dump_sums(perfect)}


def test_a_model_worse_than_the_champion_by_more_than_the_margin_is_refused(ask, detection):
    f1 = detection["test"]["honest"]["f1"]["mean"]
    gate = ask("champion", champion=better(detection), margin=0.01)
    assert not gate.passed
    assert gate.found.startswith(f"f1 {f1:.4f} against 1.0000, {f1 - 1:+.4f} [")
    assert gate.wanted == "at most 0.01 worse"
    assert ask("champion", champion=better(detection), margin=1 - f1 + 0.001).passed
    assert ask("champion", champion=detection).passed
    assert ask("champion", better(detection), champion=detection).passed


def test_models_tested_on_other_people_are_not_compared_unless_told(ask, detection):
    other = json.loads(json.dumps(detection))
    other["people"]["test"] = ["SN999"]
    gate = ask("champion", champion=other)
    assert not gate.passed
    assert "tested people ['SN999'] and ['SN003', 'SN004']" in gate.found
    assert "compare=false" in gate.found
    assert ask("champion", champion=other, compare=False).passed


def test_pretraining_on_the_tested_is_refused(ask, detection, toy_set, make_set, tmp_path):
    gate = ask("leakage", pretrained(detection, toy_set))
    assert not gate.passed
    assert "LEAKAGE: 2 tested people by name" in gate.found
    clean = make_set(tmp_path / "clean", ("SN005", "SN007"), num_frames=36)
    assert ask("leakage", pretrained(detection, clean)).passed
    given = ask("leakage", pretrained(detection, clean), pretrain_sets=[clean, toy_set])
    assert "(2 pretraining sets)" in given.found
    assert not given.passed
    moved = ask("leakage", pretrained(detection, clean, trained_on="0" * 64))
    assert not moved.passed
    assert "the encoder was trained on 000000000000" in moved.found
    weights = detection | {"init": {**detection["init"], "init": "weights", "source": "hub/name"}}
    assert "weights of others (hub/name)" in ask("leakage", weights).found


def test_features_that_tell_people_too_well_are_refused(ask, detection, toy_set):
    assert ask("identity", most_identity=1.0).passed
    gate = ask("identity", most_identity=0.0)
    assert not gate.passed
    assert gate.wanted == "at most 0"
    unknown = ask("identity", identity_set=toy_set)
    assert not unknown.passed
    assert "fewer than two people have two videos" in unknown.found


def test_files_that_are_not_the_runs_model_are_refused(ask, short_jobs, tmp_path):
    weights = load_file(short_jobs / "aunce" / "model" / "model.safetensors")
    name = next(name for name, tensor in weights.items() if name.startswith("classifier"))
    weights[name] = weights[name] + torch.linspace(0, 1, weights[name].numel()).view_as(weights[name])
    facts = (short_jobs / "aunce" / "model" / "model.json").read_bytes()
    (tmp_path / "model.json").write_bytes(facts)
    save_file(weights, tmp_path / "model.safetensors")
    gate = ask("export", folder=tmp_path)
    assert not gate.passed
    assert "was written" in gate.found


def test_settings():
    with pytest.raises(ValueError, match="margin >= 0"):
        GatesConfig(limit=0.1, most_identity=0.1, margin=-1)
