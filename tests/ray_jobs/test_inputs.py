"""Data and weights of a run are named by digest, once however many attempts there are."""

import hashlib
import json

from mlflow.tracking import MlflowClient

from ray_jobs import inputs
from shards.index import read_manifest
from tests.drawn_set import write_set


def test_sets_are_inputs_and_tags(tmp_path, tracking_server):
    for name, people in (("one", 6), ("two", 7)):
        write_set(str(tmp_path / name), tmp_path / f"{name}-tars", people=people)
    client = MlflowClient(tracking_server.uri)
    run = client.create_run(client.create_experiment("inputs")).info.run_id
    for _ in range(2):
        sets = {"training": str(tmp_path / "one"), "test": str(tmp_path / "two")}
        inputs.log_sets(client, run, sets)
    found = client.get_run(run)
    by_context = {entry.tags[0].value: entry.dataset for entry in found.inputs.dataset_inputs}
    assert len(found.inputs.dataset_inputs) == 2
    for context, url in sets.items():
        digest = read_manifest(url).digest
        assert found.data.tags[f"data_digest.{context}"] == digest
        assert by_context[context].digest == digest[:36]
        assert json.loads(by_context[context].source) == {"uri": url}
    assert json.loads(by_context["test"].profile)["people"] == 7


def test_weights_are_tagged_by_their_whole_content(tmp_path, tracking_server, monkeypatch):
    monkeypatch.setattr(inputs, "READ_BYTES", 1000)
    content = bytes(range(256)) * 10
    (tmp_path / "model.safetensors").write_bytes(content)
    client = MlflowClient(tracking_server.uri)
    run = client.create_run(client.create_experiment("weights")).info.run_id
    inputs.tag_weights(client, run, "model_digest", str(tmp_path / "model.safetensors"))
    assert client.get_run(run).data.tags["model_digest"] == hashlib.sha256(content).hexdigest()
