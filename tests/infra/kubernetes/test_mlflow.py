"""MLflow as the manifest starts it, with SQLite for Postgres: users, rights, and the hosts it answers to."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client
from mlflow.tracking import MlflowClient

from infra.server import free_ports
from tests.infra.kubernetes.rendered import everything, one, pods

HOST = "mlflow.facscale.svc.cluster.local:5000"
PASSWORDS = {
    "admin": "password-of-the-admin",
    "trainer": "password-of-the-trainer",
    "other": "password-of-other",
}
SECRETS = {
    ("facscale-mlflow-admin", "username"): "admin",
    ("facscale-mlflow-admin", "password"): PASSWORDS["admin"],
    ("facscale-mlflow-admin", "flask_secret_key"): "key",
    ("facscale-postgres", "password"): "unused",
}


@dataclass(frozen=True)
class Server:
    uri: str

    def status(self, path: str, user: str = "", host: str = HOST) -> int:
        request = urllib.request.Request(f"{self.uri}{path}", headers={"Host": host})
        if user:
            given = b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
            request.add_header("Authorization", f"Basic {given}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return 0


@pytest.fixture(scope="module")
def server(object_store, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    manifests = everything("cpu-kind")
    [pod] = [pod for pod in pods(manifests) if pod.where == "Deployment/mlflow"]
    [container] = pod.spec["containers"]
    settings = one(manifests, "ConfigMap", "facscale-settings")["data"]
    environment = os.environ | settings | {"HOME": str(folder)}
    for entry in container["env"]:
        key = entry.get("valueFrom", {}).get("secretKeyRef", {})
        environment[entry["name"]] = entry.get("value") or SECRETS.get((key["name"], key["key"]), "")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    users = one(manifests, "ConfigMap", "mlflow-auth")["data"]["basic_auth.ini"]
    (folder / "users.ini").write_text(users.replace("postgresql://", database))
    environment |= object_store.environment | {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "users.ini"),
        "ARTIFACTS_URL": f"{object_store.url}/mlflow-with-users",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    [port] = free_ports(1)
    changed = {
        "postgresql://": database,
        "--port=5000": f"--port={port}",
        "--host=0.0.0.0": "--host=127.0.0.1",
    }

    def own(word: str) -> str:
        for old, new in changed.items():
            word = word.replace(old, new)
        return word.replace("$(ARTIFACTS_URL)", environment["ARTIFACTS_URL"])

    migrate = own(pod.spec["initContainers"][1]["command"][2])
    subprocess.run(["sh", "-c", migrate], env=environment, cwd=folder, check=True, timeout=200)
    with (folder / "log").open("w") as log:
        words = [own(word) for word in container["command"]]
        process = subprocess.Popen(words, env=environment, cwd=folder, stdout=log, stderr=log)
    server = Server(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 120
        while server.status(container["readinessProbe"]["httpGet"]["path"]) != 200:
            assert process.poll() is None, (shlex.join(words), (folder / "log").read_text()[-3000:])
            assert time.monotonic() < deadline
            time.sleep(0.3)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def log_in(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS[user])


@pytest.mark.full
@pytest.mark.timeout(400)
def test_users_own_what_they_make_and_nobody_else_is_answered(server, monkeypatch):
    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert server.status("/health", host="10.0.0.7:5000") == 200  # a kubelet's probe
    assert server.status(search) == 401
    assert server.status(search, user="admin") == 200
    assert server.status(search, user="admin", host="evil.example.com") == 403
    assert server.status(search, user="trainer") == 401

    log_in("admin", monkeypatch)
    users = get_app_client("basic-auth", server.uri)
    for name in ("trainer", "other"):
        users.create_user(name, PASSWORDS[name])
    log_in("trainer", monkeypatch)
    mlflow.set_tracking_uri(server.uri)
    client = MlflowClient(server.uri)
    experiment = client.create_experiment("faces")
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "loss/total", 1.0)
    client.log_text(run, "hello", "note.txt")
    client.create_registered_model("au-detector")
    assert client.list_artifacts(run)[0].path == "note.txt"

    log_in("other", monkeypatch)
    assert MlflowClient(server.uri).get_run(run).data.metrics == {"loss/total": 1.0}
    with pytest.raises(MlflowException, match="Permission denied"):
        MlflowClient(server.uri).log_metric(run, "loss/total", 2.0)
    with pytest.raises(MlflowException, match="Permission denied"):
        MlflowClient(server.uri).delete_registered_model("au-detector")
