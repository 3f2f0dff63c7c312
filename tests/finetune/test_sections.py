"""The whole page from a small run: two shard sets, an exported encoder, a checkpoint, two jobs."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.report import main
from finetune.results import PREDICTIONS_NAME
from finetune.run_facts import constant_feature_losses, open_pretrain_run, read_curves
from finetune.train import FinetuneConfig
from finetune.views import first_clip
from pretrain.augment import AugmentConfig, augment
from pretrain.checkpoint_files import FORMAT, MARKER, HostPart
from pretrain.config import ConfigError, to_dict
from pretrain.engines.fragment import Fragment
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import FACTS_NAME, save_encoder
from pretrain.models.projected import ProjectedEncoder
from shards.batch import ClipSpec
from shards.plan import Plan
from shards.policies import DistinctIdentity
from shards.tracks import load_tracks
from tests.browser import look

SETTINGS = {
    "num_frames": 5,
    "gap_seconds": [0.04, 0.11],
    "extra_frames": 1,
    "dim": 6,
    "tau": 0.1,
    "margin": 0.1,
    "tau_attention": 0.05,
    "reconstruction": "nce",
}


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, make_set):
    people = ("SN001", "SN002", "SN006", "SN011")
    return make_set(tmp_path_factory.mktemp("unlabelled") / "set", people, labelled=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory, unlabelled, tiny_encoder):
    """A pretraining run's folder, as training leaves it."""
    folder = tmp_path_factory.mktemp("run")
    tracks = load_tracks(unlabelled)
    module = ProjectedEncoder(tiny_encoder, SETTINGS["dim"])
    config = {
        "objective": "clp",
        "clp": SETTINGS,
        "encoder": asdict(tiny_encoder),
        "augment": asdict(AugmentConfig()),
        "run": {"global_batch": 4, "seed": 3},
    }
    save_encoder(
        module.encoder,
        folder / "encoder",
        {"recipe_digest": tracks.manifest.recipe_digest, "config": config, "step": 7, "trained_on": "x"},
    )
    spec = ClipSpec(5, (0.04, 0.11), 1)
    state = {f"momentum/{name}": tensor for name, tensor in module.state_dict().items()}
    state["memory/identity_K"] = torch.zeros(10, dtype=torch.int64)
    held = HostPart()
    held.take(Fragment(*name.split("/"), tuple(tensor.shape), 0, tensor) for name, tensor in state.items())
    place = folder / "checkpoints" / "0001-00000007"
    place.mkdir(parents=True)
    order = Plan(tracks, spec, 4, 3, DistinctIdentity()).describe()
    facts = {"config": config, "order": json.loads(json.dumps(order)), "ranks": 2, "step": 7}
    part = held.write(str(place), "part").to_json()
    (place / MARKER).write_text(json.dumps({"format": FORMAT, "facts": facts, "parts": [part]}))
    return folder


@pytest.fixture(scope="module")
def rival(tmp_path_factory, run, tiny_encoder):
    """The exported encoder of a run with another objective."""
    facts = json.loads((run / "encoder" / FACTS_NAME).read_text())
    facts["config"] = {**facts["config"], "objective": "simclr"}
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("rival")
    save_encoder(FrameEncoder(tiny_encoder), folder / "encoder", facts)
    return folder


@pytest.fixture(scope="module")
def jobs(tmp_path_factory, toy_set, run, make_result, tiny_encoder):
    """Results of two detection jobs, and of an intensity job with its predictions."""
    folder = tmp_path_factory.mktemp("jobs")
    tracks = load_tracks(toy_set)
    test_people = ["SN003", "SN004", "SN006", "SN011"]
    config = to_dict(replace(FinetuneConfig(task="aunce", out=Path()), encoder=tiny_encoder))
    for start in ("random", "pretrained"):
        result = make_result(start, skill=2.0)
        init = {**result["init"], "source": str(run / "encoder")} if start == "pretrained" else result["init"]
        own = {**config, "init": init.get("source", start)}
        result |= {"init": init, "config": own, "thresholds": [0.5, 0.5, 0.5]}
        result["people"] = {"train": ["SN001"], "validation": ["SN002"], "test": test_people}
        (folder / start).mkdir()
        (folder / start / "result.json").write_text(json.dumps(result))
    rows = [row for row in range(len(tracks)) if tracks.identities[row] in test_people]
    return folder, tracks, rows


def test_the_page_of_a_run(jobs, run, rival, toy_set, unlabelled, tmp_path, capsys):
    folder, _, _ = jobs
    (tmp_path / "stages.json").write_text(
        json.dumps([{"stage": "pack", "count": 4050, "unit": "frames", "seconds": 10.0, "peak_bytes": 2e9}])
    )
    main(
        [
            *(str(folder / "random"), str(folder / "pretrained"), "--out", str(tmp_path / "report.html")),
            *("--throughput", str(tmp_path / "stages.json"), "--labelled", toy_set),
            *("--unlabelled", unlabelled, "--pretrain", str(run), "--rivals", str(rival)),
        ]
    )
    assert "AU detection" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    for name in (
        "flow",
        "claims",
        "pretraining",
        "detection",
        "readout",
        "neighbours",
        "attention",
        "time",
        "jobs",
    ):
        assert f"<section id='{name}'>" in page
    for text in (
        "7 of 4 clips",
        "The tracking server has no metrics of this run",
        "the checkpoint&#x27;s momentum encoder and projection head",
        "Peak memory: 2.0 GB",
        "Nothing here says how accurate the models are on real people",
        "random frames",
        "<td>SimCLR</td>",
        "Linear readout, AUC: pretrained features are",
        "frames of 4 people",
    ):
        assert text in page
    counts = look(tmp_path / "report.html", tmp_path)
    # Bars of two scores and of the stages; 3 x 5 frames of a clip, 4 queries x 2 encoders x 4, 4 queries x 4.
    assert counts == {"svg": 3, "img": 3 * 5 + 4 * 2 * 4 + 4 * 4}
    assert PREDICTIONS_NAME not in page


def test_the_first_clip_is_the_one_that_was_trained_on(run, unlabelled):
    found = open_pretrain_run(str(run))
    tracks = load_tracks(unlabelled)
    views = first_clip(tracks, found.reader.facts["order"], found.config)
    clip = Plan(tracks, ClipSpec(5, (0.04, 0.11), 1), 4, 3, DistinctIdentity()).batch(0)[0]
    times = tracks.times(clip.row)[clip.frames_T[:5]]
    assert views.time_seconds_T == pytest.approx((times - times[0]).tolist())
    assert [len(view) for view in views.views_VT] == [5, 5]
    assert views.views_VT[0] != views.views_VT[1]
    assert len(set(views.packed_T)) > 1
    # The same views that the objective draws: view 0 is the query's.
    seed = np.array([clip.augment_seed])
    assert (
        augment(torch.zeros(1, 5, 32, 32, 3, dtype=torch.uint8), seed, 0, 32, AugmentConfig()).shape[1] == 5
    )


def test_levels_of_a_feature_that_tells_nothing():
    levels = constant_feature_losses(SETTINGS)
    assert levels["loss/cross_identity"] == ("chance: ln 5 = 1.61", pytest.approx(np.log(5)))
    # Ends have one neighbour and 3 negatives, the others two neighbours and 2 negatives; margin / tau is 1.
    wanted = (2 * np.log(1 + 3 * np.e) + 6 * np.log(1 + 2 * np.e)) / 8
    assert levels["loss/temporal"][1] == pytest.approx(wanted, rel=1e-5)
    assert constant_feature_losses({"tau": 0.1}) == {}
    assert "loss/cross_identity" not in constant_feature_losses({**SETTINGS, "reconstruction": "l2"})


def test_an_untracked_run_has_no_curves_and_an_unfinished_one_is_refused(tmp_path):
    assert read_curves("") == {}
    with pytest.raises(ConfigError, match="holds no finished pretraining run"):
        open_pretrain_run(str(tmp_path))
