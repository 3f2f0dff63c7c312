"""MLflow as the manifest starts it, with SQLite for Postgres: users, rights, and the hosts it answers to."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.server import Server, free_ports
from infra.services import ObjectStore
from shards import storage
from tests.infra.kubernetes.rendered import everything, one, pods

API = "/api/2.0/mlflow"
Answer = tuple[int, dict[str, Any]]
HOST = "mlflow.facscale.svc.cluster.local:5000"
PASSWORDS = {name: f"password-of-{name}" for name in ("admin", "trainer", "other")}
SECRETS = {
    ("facscale-mlflow-admin", "username"): "admin",
    ("facscale-mlflow-admin", "password"): PASSWORDS["admin"],
    ("facscale-mlflow-admin", "flask_secret_key"): "key",
}


class PodOfMlflow(Server):
    """The commands and environment of the Deployment's containers, on this machine."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        super().__init__("mlflow-pod", folder, start_seconds=200)
        manifests = everything("cpu-kind")
        [self._pod] = [pod for pod in pods(manifests) if pod.where == "Deployment/mlflow"]
        [self._container] = self._pod.spec["containers"]
        self._settings = one(manifests, "ConfigMap", "facscale-settings")["data"]
        self._users = one(manifests, "ConfigMap", "mlflow-auth")["data"]["basic_auth.ini"]
        self._store = store
        self._changed = {
            "postgresql://": f"sqlite:///{self.folder / 'mlflow.db'}",
            "$(ARTIFACTS_URL)": f"{store.url}/mlflow-with-users",
            "--host=0.0.0.0": "--host=127.0.0.1",
        }
        self._port = 0

    @property
    def uri(self) -> str:
        return f"http://localhost:{self._port}"

    def _here(self, text: str) -> str:
        for old, new in self._changed.items():
            text = text.replace(old, new)
        return text

    def server_environment(self) -> dict[str, str]:
        environment = dict(self._settings)
        for entry in self._container["env"]:
            key = entry.get("valueFrom", {}).get("secretKeyRef", {})
            environment[entry["name"]] = entry.get("value") or SECRETS.get((key["name"], key["key"]), "")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        users = str(self.folder / "users.ini")
        own = {"PATH": path, "HOME": str(self.folder), "MLFLOW_AUTH_CONFIG_PATH": users}
        return environment | self._store.environment | own

    def command(self) -> list[str]:
        (self.folder / "users.ini").write_text(self._here(self._users))
        migrate = [self._here(word) for word in self._pod.spec["initContainers"][1]["command"]]
        subprocess.run(migrate, env=os.environ | self.server_environment(), check=True, timeout=200)
        [self._port] = free_ports(1)
        self._changed["--port=5000"] = f"--port={self._port}"
        return [self._here(word) for word in self._container["command"]]

    def is_ready(self) -> bool:
        return self.ask(self._container["readinessProbe"]["httpGet"]["path"])[0] == 200

    def ask(self, path: str, user: str = "", body: Any = None, host: str = HOST, method: str = "") -> Answer:
        """Status, 0 where nothing answers, and content."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.uri}{path}", data, {"Host": host}, method=method or None)
        request.add_header("Content-Type", "application/json")
        if user:
            given = b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
            request.add_header("Authorization", f"Basic {given}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text.startswith(b"{") else {}
        except urllib.error.HTTPError as error:
            return error.code, {}
        except OSError:
            return 0, {}


@pytest.fixture
def server(object_store, tmp_path) -> Iterator[PodOfMlflow]:
    with PodOfMlflow(tmp_path / "mlflow", object_store) as server:
        yield server


@pytest.mark.full
@pytest.mark.timeout(600)
def test_users_own_what_they_make_and_nobody_else_is_answered(server, object_store, bucket_url):
    search = f"{API}/experiments/search?max_results=1"
    assert server.ask("/health", host="10.0.0.7:5000")[0] == 200  # a kubelet's probe
    assert server.ask(search)[0] == 401
    assert server.ask(search, "admin")[0] == 200
    assert server.ask(search, "admin", host="evil.example.com")[0] == 403
    assert server.ask(search, "trainer")[0] == 401

    for name in ("trainer", "other"):  # as the README has it
        assert (
            server.ask(f"{API}/users/create", "admin", {"username": name, "password": PASSWORDS[name]})[0]
            == 200
        )
    status, made = server.ask(f"{API}/experiments/create", "trainer", {"name": "faces"})
    assert status == 200
    status, made = server.ask(f"{API}/runs/create", "trainer", made)
    run = made["run"]["info"]["run_id"]
    metric = {"run_id": run, "key": "loss/total", "value": 1.0, "timestamp": 1, "step": 1}
    assert server.ask(f"{API}/runs/log-metric", "trainer", metric)[0] == 200
    assert server.ask(f"{API}/registered-models/create", "trainer", {"name": "au-detector"})[0] == 200
    artifact = made["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:")
    path = f"/api/2.0/mlflow-artifacts/artifacts{artifact}/note.json"
    assert server.ask(path, "trainer", {"kept": "in the store"}, method="PUT")[0] == 200
    kept = storage.read_bytes(f"{object_store.url}/mlflow-with-users{artifact}/note.json")
    assert json.loads(kept) == {"kept": "in the store"}

    assert server.ask(f"{API}/runs/get?run_id={run}", "other")[1]["run"]["data"]["metrics"][0]["value"] == 1.0
    assert server.ask(f"{API}/runs/log-metric", "other", metric)[0] == 403
    model = {"name": "au-detector"}
    assert server.ask(f"{API}/registered-models/delete", "other", model, method="DELETE")[0] == 403
