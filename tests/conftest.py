"""Real servers, started once and only when a test asks, and a place of its own in them for each test."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ray_head import LOOPBACK
from infra.services import ObjectStore, TrackingServer
from tests.full_run import FullRun


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 store; a test that talks to it asks for `bucket_url`."""
    with ObjectStore(tmp_path_factory.mktemp("object-store")) as store:
        yield store


@pytest.fixture(scope="session")
def tracking_server(
    object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """An MLflow server that keeps its artifacts in the object store."""
    folder = tmp_path_factory.mktemp("tracking-server")
    with TrackingServer(folder, f"{object_store.url}/mlflow", object_store.environment) as server:
        yield server


@pytest.fixture
def bucket_url(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in the object store, with the environment that reaches it."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return f"{object_store.url}/{secrets.token_hex(8)}"


@pytest.fixture(params=["local", "s3"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place, once in a folder and once in the object store."""
    if request.param == "local":
        return str(tmp_path / "store")
    url: str = request.getfixturevalue("bucket_url")
    return url


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regold` rewrites tests/golden; review the difference like code. `--record` is for the full run."""
    parser.addoption("--regold", action="store_true", help="rewrite the golden files from this run")
    parser.addoption("--record", type=Path, help="folder for full-DATE.md: what ran, and how it ended")


def pytest_configure(config: pytest.Config) -> None:
    # Before anything imports ray or onnxruntime, which read them once.
    os.environ.update(LOOPBACK, ORT_DISABLE_TELEMETRY="1")
    folder = config.getoption("--record")
    is_worker = hasattr(config, "workerinput")
    if folder is not None and not is_worker:
        config.pluginmanager.register(FullRun(folder, [str(word) for word in config.invocation_params.args]))
