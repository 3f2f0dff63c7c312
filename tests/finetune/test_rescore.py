"""Scores from a saved model are those of the job, to the last digit; anything else is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.jobs import load_jobs
from finetune.rescore import count, main, rescore, unequal
from finetune.tasks.aunce import AunceConfig
from finetune.tasks.intensity import IntensityConfig
from finetune.tasks.probe import LinearConfig
from finetune.train import FinetuneConfig, run
from pretrain.augment import PLAIN
from pretrain.config import ConfigError


@pytest.fixture(scope="module")
def jobs(toy_set, tiny_encoder, tmp_path_factory):
    """A detection job and an intensity job."""
    folder = tmp_path_factory.mktemp("jobs")
    for task in ("aunce", "intensity"):
        config = FinetuneConfig(
            task=task,
            out=folder / task,
            data=DataConfig(toy_set, generated=True),
            encoder=tiny_encoder,
            augment=PLAIN,
            aunce=AunceConfig(fit=FitConfig(steps=6, batch=6), linear=LinearConfig(epochs=8), width=8),
            intensity=IntensityConfig(
                fit=FitConfig(steps=6, batch=4),
                labelled_fraction=0.2,
                window=8,
                left_context=5,
                hidden=8,
                width=8,
            ),
        )
        run(config, lambda metrics, step: None)
    return folder


@pytest.mark.parametrize("task", ["aunce", "intensity"])
def test_scores_come_again_to_the_last_digit(jobs, task, capsys):
    ((folder, result),) = load_jobs([jobs / task])
    again = rescore(folder, result)
    assert list(unequal(result["test"]["honest"], again)) == []
    main([str(folder)])
    out = capsys.readouterr().out
    assert f"scores from the saved model: all {count(again)} equal" in out
    assert count(again) >= 27


def test_a_changed_model_is_seen_and_its_numbers_are_named(jobs, tmp_path, capsys):
    changed = tmp_path / "changed"
    (changed / "model").mkdir(parents=True)
    for name in ("result.json", "model/model.json"):
        (changed / name).write_bytes((jobs / "intensity" / name).read_bytes())
    weights = load_file(jobs / "intensity" / "model" / "model.safetensors")
    (bias,) = (name for name, tensor in weights.items() if name.startswith("head") and tensor.shape == (12,))
    weights[bias] = weights[bias] + 1e-3 * torch.eye(12)[0]
    save_file(weights, changed / "model" / "model.safetensors")
    with pytest.raises(SystemExit) as caught:
        main([str(changed)])
    assert caught.value.code == 1
    out = capsys.readouterr().out
    assert "mae.per_au.AU1: " in out
    assert "AU12" not in out


def test_another_set_is_refused(jobs, make_set, tmp_path):
    ((folder, result),) = load_jobs([jobs / "aunce"])
    other = json.loads(json.dumps(result))
    other["config"]["data"]["url"] = make_set(tmp_path / "other", num_frames=36)
    with pytest.raises(ConfigError, match=r"has digest .*, the job saw .*; put the set back"):
        rescore(folder, other)
