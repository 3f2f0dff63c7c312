"""Scores from a saved model are those of the job, to the last digit; anything else is named."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.jobs import load_jobs
from finetune.rescore import count, main, rescore, unequal
from finetune.train import run
from pretrain.config import ConfigError


@pytest.mark.parametrize("task", ["aunce", "intensity"])
def test_scores_come_again_to_the_last_digit(short_jobs, task, capsys):
    ((folder, result),) = load_jobs([short_jobs / task])
    again = rescore(folder, result)
    assert list(unequal(result["test"]["honest"], again)) == []
    main([str(folder)])
    out = capsys.readouterr().out
    assert f"scores from the saved model: all {count(again)} equal" in out
    assert count(again) >= 27


@pytest.mark.parametrize("task", ["supervised", "clef"])
def test_so_do_those_of_the_other_tasks(short_job, task, tmp_path):
    run(replace(short_job, task=task, out=tmp_path / task), lambda metrics, step: None)
    ((folder, result),) = load_jobs([tmp_path / task])
    assert list(unequal(result["test"]["honest"], rescore(folder, result))) == []


def test_a_changed_model_is_seen_and_its_numbers_are_named(short_jobs, tmp_path, capsys):
    changed = tmp_path / "changed"
    (changed / "model").mkdir(parents=True)
    for name in ("result.json", "model/model.json"):
        (changed / name).write_bytes((short_jobs / "intensity" / name).read_bytes())
    weights = load_file(short_jobs / "intensity" / "model" / "model.safetensors")
    (bias,) = (name for name, tensor in weights.items() if name.startswith("head") and tensor.shape == (12,))
    weights[bias] = weights[bias] + 1e-3 * torch.eye(12)[0]
    save_file(weights, changed / "model" / "model.safetensors")
    with pytest.raises(SystemExit) as caught:
        main([str(changed)])
    assert caught.value.code == 1
    out = capsys.readouterr().out
    assert "mae.per_au.AU1: " in out
    assert "AU12" not in out


def test_another_set_is_refused(short_jobs, make_set, tmp_path):
    ((folder, result),) = load_jobs([short_jobs / "aunce"])
    other = json.loads(json.dumps(result))
    other["config"]["data"]["url"] = make_set(tmp_path / "other", num_frames=36)
    with pytest.raises(ConfigError, match=r"has digest .*, the job saw .*; put the set back"):
        rescore(folder, other)
