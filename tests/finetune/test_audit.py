"""The command's kinds on a finished job: text, JSON, exit status."""

import json

import pytest
import torch

from finetune.audit import main, open_encoder
from finetune.audits.result import load_audit
from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.report import main as report
from finetune.tasks.intensity import IntensityConfig
from finetune.train import FinetuneConfig, run
from pretrain.augment import PLAIN
from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import save_encoder
from shards.tracks import load_tracks


@pytest.fixture(scope="module")
def job(toy_set, tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("job") / "intensity"
    fit = IntensityConfig(
        fit=FitConfig(steps=4, batch=4), labelled_fraction=0.2, window=8, left_context=5, hidden=8, width=8
    )
    config = FinetuneConfig(
        task="intensity",
        out=folder,
        data=DataConfig(toy_set, generated=True),
        encoder=tiny_encoder,
        augment=PLAIN,
        intensity=fit,
    )
    run(config, lambda metrics, step: None)
    return folder


@pytest.fixture(scope="module")
def exported(toy_set, tiny_encoder, tmp_path_factory):
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("encoder")
    digest = load_tracks(toy_set).manifest.recipe_digest
    save_encoder(FrameEncoder(tiny_encoder), folder, {"recipe_digest": digest, "step": 1})
    return str(folder)


def test_pretraining_on_tested_people_ends_with_status_1(job, toy_set, make_set, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["leakage", "--pretrain", toy_set, "--job", str(job), "--json", str(tmp_path / "a" / "l.json")])
    assert caught.value.code == 1
    assert "LEAKAGE: 2 tested people by name" in capsys.readouterr().out
    assert load_audit(tmp_path / "a" / "l.json").failed
    clean = make_set(tmp_path / "clean", ("SN005", "SN007"), num_frames=36)
    main(["leakage", "--pretrain", clean, "--job", str(job)])
    assert "No leakage was found." in capsys.readouterr().out


def test_the_other_kinds_answer_and_become_a_section(job, exported, make_set, tmp_path, capsys):
    videos = make_set(tmp_path / "videos", videos=2)
    (tmp_path / "people.csv").write_text("person,side\nSN003,left\nSN004,right\n")
    for kind, words in {
        "identity": [videos, "--encoder", exported, str(job / "model"), "--frames", "96"],
        "fairness": [str(job), "--people", str(tmp_path / "people.csv"), "--score", "mae"],
        "neutral": [str(job), "--seconds", "0.2"],
    }.items():
        main([kind, *words, "--json", str(tmp_path / f"{kind}.json")])
        out = capsys.readouterr().out
        assert out.startswith(f"audit: {kind}\n")
        assert load_audit(tmp_path / f"{kind}.json").text + "\n" == out
    files = [str(tmp_path / f"{kind}.json") for kind in ("identity", "fairness", "neutral")]
    report([str(job), "--audits", *files, "--out", str(tmp_path / "report.html")])
    page = (tmp_path / "report.html").read_text()
    assert "<section id='audits'>" in page
    assert "Calibration on neutral frames" in page
    content = json.loads((tmp_path / "report.json").read_text())
    assert [audit["kind"] for audit in content["audits"]] == ["identity", "fairness", "neutral"]
    assert content["tables"][0]["kind"] == "intensity"


def test_planted_flips(large_toy_set, job, exported, tmp_path, capsys):
    result = json.loads((job / "result.json").read_text())
    people = sorted(set(load_tracks(large_toy_set).identities) - set(result["people"]["test"]))
    result["people"]["train"] = people[:9]
    result["people"]["validation"] = people[9:12]
    (tmp_path / "result.json").write_text(json.dumps(result))
    words = ["label_noise", "--job", str(tmp_path), "--set", large_toy_set, "--encoder", exported]
    main([*words, "--plant", "0.1", "--frames", "240"])
    out = capsys.readouterr().out
    assert "audit: label_noise" in out
    assert "of 12 people" in out
    assert "recall of planted flips" in out
    main([*words, "--frames", "240"])
    assert "of the labels look wrong" in capsys.readouterr().out


def test_encoders_of_other_crops_and_jobs_of_two_arms_are_refused(job, saved_models, toy_set, tmp_path):
    with pytest.raises(
        ConfigError, match=r"was trained on crops of recipe .*; give a set packed with the same"
    ):
        open_encoder(str(saved_models["aunce"]), load_tracks(toy_set))
    other = json.loads((job / "result.json").read_text())
    other["config"]["intensity"]["width"] = 9
    (tmp_path / "result.json").write_text(json.dumps(other))
    with pytest.raises(
        ConfigError, match=r"jobs of one arm wanted, found \['intensity.width=8', 'intensity.wi"
    ):
        main(["fairness", str(job), str(tmp_path)])
