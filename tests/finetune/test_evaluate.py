"""A saved model on its own people again, and on people of other sets."""

import json

import numpy as np
import pytest

from finetune.artifact import load_model
from finetune.data import DataConfig
from finetune.evaluate import evaluate
from finetune.protocols.registry import ProtocolConfig
from pretrain.config import ConfigError

STRANGERS = ("SN005", "SN007", "SN008")


@pytest.fixture(scope="module", params=["aunce", "intensity"])
def job(request, short_jobs):
    folder = short_jobs / request.param
    return load_model(folder / "model"), json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def strangers(make_set, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("strangers") / "set", STRANGERS)


def test_its_own_fold_gives_the_jobs_numbers(job, toy_set):
    answer = evaluate(*job, DataConfig(toy_set), ProtocolConfig(), "tested")
    assert answer["as_the_job"]["differing"] == []
    assert answer["as_the_job"]["numbers"] >= 27
    assert answer["per_person"] == job[1]["per_person"]
    assert answer["people"] == ["SN003", "SN004"]


def test_people_of_another_set_are_scored_with_intervals(job, strangers):
    answer = evaluate(*job, DataConfig(strangers), ProtocolConfig(), "all")
    assert answer["people"] == list(STRANGERS)
    assert answer["as_the_job"] is None
    assert answer["left_out"] == []
    for name, score in answer["scores"].items():
        low, high = answer["intervals"][name]
        assert score["mean"] is None or low <= score["mean"] <= high, name
    assert answer["scores"] != job[1]["test"]["honest"]


def test_only_what_both_know_is_scored(job, toy_set):
    saved, result = job
    fewer = ProtocolConfig()
    whole = evaluate(saved, result, DataConfig(toy_set), fewer, "tested")
    saved.facts["aus"] = [99, *saved.facts["aus"][1:]]
    try:
        part = evaluate(saved, result, DataConfig(toy_set), fewer, "tested")
    finally:
        saved.facts["aus"] = result["aus"]
    assert part["left_out"] == [99]
    for name, score in part["scores"].items():
        assert {au: whole["scores"][name]["per_au"][au] for au in score["per_au"]} == score["per_au"]
    assert len(part["aus_or_expressions"]) == len(result["aus"]) - 1
    assert np.isfinite(part["scores"][next(iter(part["scores"]))]["mean"])


def test_people_who_trained_it_and_other_crops_are_refused(job, toy_set, make_set, tmp_path, real_recipe):
    with pytest.raises(ConfigError, match=r"4 of the 6 people trained this model or chose it, as \['SN001'"):
        evaluate(*job, DataConfig(toy_set), ProtocolConfig(), "all")
    other = make_set(tmp_path / "other", STRANGERS, recipe=real_recipe)
    with pytest.raises(ConfigError, match=r"has crops of recipe .*; pack the set with the model's recipe"):
        evaluate(*job, DataConfig(other), ProtocolConfig(), "all")
