import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from infra.server import ServiceError, is_free
from infra.services import ObjectStore, TrackingServer
from shards import storage

KEEPS_A_STORE = """
import sys, time
from pathlib import Path
from infra.services import ObjectStore
with ObjectStore(Path(sys.argv[1])) as store:
    print(store.pid, store.environment["AWS_ENDPOINT_URL"].rsplit(":")[-1], flush=True)
    time.sleep(600)
"""


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_second_store_works_and_leaves_nothing(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ObjectStore(tmp_path / "store", bucket="some-bucket") as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        storage.write_bytes(f"{store.url}/x", b"x")
        assert storage.list_names(store.url) == ["x"]
        assert store.environment["AWS_ENDPOINT_URL"] != object_store.environment["AWS_ENDPOINT_URL"]
        group, litter = store.pid, store.litter()
        assert group is not None
        accounts = tmp_path / "store" / "accounts.json"
        assert accounts.stat().st_mode & 0o777 == 0o600
        assert json.loads(accounts.read_text())
    assert not is_alive(group)
    assert not any(Path(path).exists() for path in litter)


def test_a_store_started_again_has_its_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {f"{number}": os.urandom(1 << number) for number in range(18)}
    for start in range(2):
        with ObjectStore(tmp_path) as store:
            for name, value in store.environment.items():
                monkeypatch.setenv(name, value)
            for name, content in contents.items():
                if start == 0:
                    storage.write_bytes(f"{store.url}/{name}", content)
                assert storage.read_bytes(f"{store.url}/{name}") == content


def test_a_killed_owner_takes_its_server_along(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", KEEPS_A_STORE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    group, port = map(int, owner.stdout.readline().split())
    assert is_alive(group)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 15
    while is_alive(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(group)
    assert is_free(port)


def test_a_store_that_cannot_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["/bin/sh", "-c", "echo the reason; exit 3"]
    monkeypatch.setattr(ObjectStore, "command", lambda self: command)
    with (
        pytest.raises(ServiceError, match=r"(?s)object-store ended at once.*the reason"),
        ObjectStore(tmp_path),
    ):
        pass


def test_a_store_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStore, "command", lambda self: ["/bin/sh", "-c", "echo hanging; sleep 600"])
    store = ObjectStore(tmp_path, start_seconds=1)
    with pytest.raises(ServiceError, match=r"(?s)not ready within 1 seconds.*hanging"), store:
        pass
    assert store.pid is None


def test_the_tracking_server_answers(tracking_server: TrackingServer) -> None:
    with urllib.request.urlopen(f"{tracking_server.uri}/health", timeout=5) as answer:
        assert answer.status == 200
    assert tracking_server.environment["MLFLOW_TRACKING_URI"] == tracking_server.uri
