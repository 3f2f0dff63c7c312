"""A pipeline and evaluations on a real Ray: branches side by side, failures apart."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from infra.ray_head import RayHead
from pretrain.config import ConfigError
from ray_jobs import evaluate_job, pipeline_job
from shards import storage
from shards.synthetic.generate import GenerateConfig, generate
from tests.raylets import one_node
from tests.toy_set import PEOPLE, SIZE, write_set

ROOT = Path(__file__).parents[2]
ENCODER = {
    "model_type": "convnext",
    "settings": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4},
    "image_size": SIZE,
}


def branch(url, **more):
    fit = {"fit": {"steps": 6, "batch": 6}, "linear": {"epochs": 4}, "width": 8}
    return {
        **{"from": "finetune/configs/aunce_disfa.yaml", "data": {"url": url, "generated": True}},
        **{"encoder": ENCODER, "aunce": fit, **more},
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory, tracking_server, object_store):
    """A folder with two sets of DISFA's form; Ray and MLflow are there."""
    root = tmp_path_factory.mktemp("pipeline")
    write_set(root / "set")
    write_set(root / "videos", PEOPLE, videos=2)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**object_store.environment, **tracking_server.environment}.items():
            patch.setenv(name, value)
        with one_node(cpus=2):
            yield root


def run(place, uri, content):
    content = {"url": str(place / "runs"), "tracking": {"uri": uri, "name": "pipeline"}, **content}
    (place / "pipeline.yaml").write_text(yaml.safe_dump(content))
    pipeline_job.main([str(place / "pipeline.yaml")])


def overlap_ms(runs):
    first, second = ((run.info.start_time, run.info.end_time) for run in runs)
    return min(first[1], second[1]) - max(first[0], second[0])


@pytest.mark.timeout(600)
def test_branches_run_at_once_and_what_stands_is_not_run_again(place, tracking_server, capfd):
    gates = {"limit": 0.0, "identity_set": str(place / "videos")}
    steps = {
        "one": branch(str(place / "set"), register={"name": "toy-au"}),
        "two": branch(str(place / "set"), seed=1, register={"name": "toy-other"}),
        "lost": branch(str(place / "nowhere")),
    }
    promote = {
        "one": {"gates": gates | {"most_identity": 1.0}},
        "two": {"gates": gates | {"most_identity": 0.0}},
    }
    with pytest.raises(SystemExit) as failed:
        run(place, tracking_server.uri, {"finetune": steps, "promote": promote})
    assert failed.value.code == 1
    out = capfd.readouterr().out
    for line in ("one: ok", "two: ok", "lost: failed: ShardError", "promote.one: ok"):
        assert f"pipeline: {line}" in out
    assert "pipeline: promote.two: failed: RefusedError: ok       held_out" in out
    assert "refused  identity: found" in out
    assert "pipeline: 2 of 5 failed or did not run" in out

    client = MlflowClient(tracking_server.uri)
    parent_id = json.loads((place / "runs" / "mlflow_run.json").read_text())["run_id"]
    parent = client.get_run(parent_id)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["step.two"] == "ok"
    nested = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent_id}'")
    assert sorted(run.info.run_name for run in nested) == ["one", "two"]
    assert overlap_ms(nested) > 0
    for child in nested:
        assert child.info.status == "FINISHED"
        assert child.data.metrics["system/system_memory_usage_megabytes"] > 0
        (entry,) = child.inputs.dataset_inputs
        assert child.data.tags["data_digest.training"].startswith(entry.dataset.digest)
        assert [tag.value for tag in entry.tags] == ["training"]
    champion = client.get_model_version_by_alias("toy-au", "champion")
    trained = client.get_run(champion.run_id)
    assert champion.tags["model_digest"] == trained.data.tags["model_digest"]
    assert champion.tags["gate.export"].startswith("ok: found 27 of 27")
    assert list(client.get_registered_model("toy-other").aliases) == ["candidate"]

    steps = {"one": steps["one"], "two": branch(str(place / "set"), seed=2)}
    run(place, tracking_server.uri, {"finetune": steps})
    out = capfd.readouterr().out
    assert "pipeline: one: stands (finetune, identity" in out
    assert "pipeline: two: runs (finetune, identity" in out
    assert client.get_run(parent_id).info.status == "FINISHED"
    assert client.get_run(parent_id).data.tags["attempts"] == "2"
    records = storage.list_names(str(place / "runs" / "steps"))
    assert [name.split("-")[0] for name in records] == [
        "one",
        "promote.one.json",
        "promote.two.json",
        "two",
        "two",
    ]


@pytest.mark.timeout(600)
def test_a_registered_model_is_scored_again(place, tracking_server, tmp_path, capfd):
    words = [f"tracking.uri={tracking_server.uri}", "tracking.name=again"]
    evaluate_job.main(["model=models:/toy-au@champion", f"url={tmp_path / 'a'}", *words])
    assert "against what the job wrote: all 27 equal" in capfd.readouterr().out
    run_id = json.loads((tmp_path / "a" / "mlflow_run.json").read_text())["run_id"]
    found = MlflowClient(tracking_server.uri).get_run(run_id)
    answer = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    assert found.data.metrics["evaluate/f1"] == answer["scores"]["f1"]["mean"]
    assert found.data.tags["model"] == "models:/toy-au/1"
    assert [entry.tags[0].value for entry in found.inputs.dataset_inputs] == ["evaluation"]

    (job,) = (path.parent for path in (place / "runs" / "one").glob("*/result.json"))
    result = json.loads((job / "result.json").read_text())
    result["test"]["honest"]["f1"]["mean"] += 1e-9
    (job / "result.json").write_text(json.dumps(result))
    with pytest.raises(SystemExit) as differs:
        evaluate_job.main([f"model={job}", f"url={tmp_path / 'b'}", *words])
    assert differs.value.code == 1
    assert "1 of 27 differ\n  f1.mean: " in capfd.readouterr().out
    with pytest.raises(ConfigError, match=r"holds no finished job: result.json and model/ wanted"):
        evaluate_job.main([f"model={tmp_path}", f"url={tmp_path / 'c'}", *words])


def submit(head, folder, content):
    """The finished job, submitted as on a cluster."""
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(content))
    ray = str(Path(sys.executable).with_name("ray"))
    words = [ray, "job", "submit", "--working-dir", ".", "--runtime-env", "infra/runtime_env.yaml", "--"]
    return subprocess.run(
        [*words, "python", "-m", "ray_jobs.pipeline_job", str(file)],
        cwd=ROOT,
        env=os.environ | head.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_videos_become_a_champion_in_one_submitted_job(tmp_path, object_store, bucket_url, tracking_server):
    generate(GenerateConfig(tmp_path / "faces", "voxceleb", 6, 2.6, 0, size=96))
    generate(GenerateConfig(tmp_path / "disfa", "disfa", 6, 2.6, 1, size=96))
    pack = {"size": 64, "videos_per_unit": 8}
    run = {"steps": 12, "global_batch": 4, "log_every": 6}
    intensity = {"fit": {"steps": 4, "batch": 4}, "labelled_fraction": 0.2}
    content = {
        "url": f"{bucket_url}/p",
        "tracking": {"uri": tracking_server.uri, "name": "whole"},
        "pack": {
            "faces": {"source": str(tmp_path / "faces"), "layout": "voxceleb", **pack},
            "disfa": {"source": str(tmp_path / "disfa"), "layout": "disfa", **pack},
        },
        "pretrain": {
            "clp": {"from": "pretrain/configs/clp_cpu.yaml", "data": {"url": "step:faces"}, "run": run}
        },
        "finetune": {
            start: {
                "from": "finetune/configs/intensity_disfa.yaml",
                "data": {"url": "step:disfa", "generated": True},
                **{"init": init, "intensity": intensity, "register": {"name": f"whole-{start}"}},
            }
            for start, init in (("pretrained", "step:clp"), ("untrained", "random"))
        },
        "promote": {"pretrained": {"gates": {"limit": -1.0, "most_identity": 1.0}}},
    }
    environment = {**object_store.environment, **tracking_server.environment}
    with RayHead(tmp_path / "ray", environment) as head:
        done = submit(head, tmp_path, content)
        assert done.returncode == 0, done.stdout[-5000:]
        steps = ("faces", "disfa", "clp", "pretrained", "untrained", "promote.pretrained")
        for name in steps:
            assert f"pipeline: {name}: ok" in done.stdout
        assert "leakage: found No leakage was found (1 pretraining set)" in done.stdout
        client = MlflowClient(tracking_server.uri)
        champion = client.get_model_version_by_alias("whole-pretrained", "champion")
        assert champion.tags["gate.identity"].startswith("ok: ")
        content["finetune"]["untrained"]["seed"] = 1
        again = submit(head, tmp_path, content)
        assert again.returncode == 0, again.stdout[-5000:]
        for name in steps[:4]:
            assert re.search(f"pipeline: {name}: stands ", again.stdout)
        assert "pipeline: untrained: runs " in again.stdout
        assert "models:/whole-pretrained@champion is version 1 already" in again.stdout
