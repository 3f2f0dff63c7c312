"""The node's load goes with a run's own metrics, at their steps, whether MLflow is there or not."""

import json

from mlflow.tracking import MlflowClient

from infra.server import free_ports
from pretrain.tracking import MlflowTracker, SpoolTracker
from ray_jobs.system_metrics import WithSystemMetrics

NAMES = {
    *("cpu_utilization_percentage", "system_memory_usage_megabytes", "system_memory_usage_percentage"),
    *("disk_usage_percentage", "disk_usage_megabytes", "disk_available_megabytes"),
    *("network_receive_megabytes", "network_transmit_megabytes"),
}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_load_is_added_now_and_then(tmp_path):
    tracker = WithSystemMetrics(SpoolTracker(tmp_path / "m.jsonl"), every_seconds=1000)
    tracker.log({"loss": 2.0}, 40)
    tracker.log({"loss": 1.0}, 41)
    tracker.finish()
    first, second = lines(tmp_path / "m.jsonl")
    assert first["step"] == 40
    assert first["metrics"].pop("loss") == 2.0
    assert set(first["metrics"]) >= {f"system/{name}" for name in NAMES}
    assert all(value >= 0 for value in first["metrics"].values())
    assert second["metrics"] == {"loss": 1.0}


def test_it_arrives_in_mlflow(tmp_path, tracking_server):
    client = MlflowClient(tracking_server.uri)
    run = client.create_run(client.create_experiment("system-metrics")).info.run_id
    tracker = WithSystemMetrics(MlflowTracker(tmp_path / "m.jsonl", tracking_server.uri, run), 0.0)
    for step in (1, 2):
        tracker.log({"loss": 1.0}, step)
    tracker.finish()
    history = client.get_metric_history(run, "system/cpu_utilization_percentage")
    assert [entry.step for entry in history] == [1, 2]


def test_a_server_that_is_away_stops_nothing_and_loses_nothing(tmp_path):
    (port,) = free_ports(1)
    away = MlflowTracker(tmp_path / "m.jsonl", f"http://127.0.0.1:{port}", "run", grace_seconds=0.1)
    tracker = WithSystemMetrics(away, 0.0)
    tracker.log({"loss": 1.0}, 1)
    (unsent,) = tracker.unsent()
    assert "system/cpu_utilization_percentage" in json.loads(unsent)["metrics"]
    tracker.adopt([unsent])
    tracker.finish()
    assert len(lines(tmp_path / "m.jsonl")) == 2
