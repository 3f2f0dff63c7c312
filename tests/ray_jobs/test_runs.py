"""The MLflow run of a folder, where MLflow does not answer."""

from pathlib import Path

import pytest

from infra.server import free_ports
from pretrain.errors import FencedError
from ray_jobs.runs import TrackingConfig, open_run, terminal_status
from shards import lease
from shards.lease import Holder, Lease


def nobody() -> TrackingConfig:
    return TrackingConfig(f"http://127.0.0.1:{free_ports(1)[0]}")


def test_training_begins_and_ends_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking, url = nobody(), str(tmp_path)
    assert open_run(tracking, url, {}) is None
    assert "Metrics wait in the checkpoints" in capsys.readouterr().err
    with terminal_status(tracking, "abc", Lease(url, 0)):
        pass
    assert "was not told that the run is FINISHED" in capsys.readouterr().err


def test_who_was_replaced_tells_nobody_that_the_run_ended(tmp_path: Path) -> None:
    url = str(tmp_path)
    lease.take(url, 0, Holder.this_process(30))
    with (
        pytest.raises(FencedError, match="another driver took over"),
        terminal_status(nobody(), "abc", Lease(url, 0)),
    ):
        pass
