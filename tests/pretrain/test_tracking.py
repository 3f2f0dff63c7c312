"""Metrics reach the spool at once and MLflow once each, whatever happens between here and the server."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow.tracking import MlflowClient

from infra.server import free_ports
from pretrain import tracking
from pretrain.errors import TrackingError
from pretrain.tracking import MlflowTracker, NoTracker, SpoolTracker, WaitingTracker

METRICS = ("loss/total", "loss/temporal", "speed/clips_per_s")


class Wire:
    """The network between a client and a server: it can be cut, hang, or lose the server's answers."""

    def __init__(self, target: str) -> None:
        self._target = (urlsplit(target).hostname, urlsplit(target).port)
        self._port = free_ports(1)[0]
        self.uri = f"http://127.0.0.1:{self._port}"
        self.loses_answers = self.hangs = False
        self.answers_lost = 0
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def connect(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for end in [self._listener, *self._open]:
            if end is not None:
                # Wakes the thread that waits on it, which closing alone does not.
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
                finally:
                    end.close()
        self._listener, self._open = None, []

    def _accept(self, listener: socket.socket) -> None:
        try:
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for source, sink, is_answer in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, is_answer), daemon=True).start()
        except OSError:
            return

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                if self.hangs:
                    continue
                if is_answer and self.loses_answers:
                    self.answers_lost += 1
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
        except OSError:
            return


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.2)
    # The tracker sets it for its process where nobody has; this takes it away afterwards.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def client(tracking_server) -> MlflowClient:
    return MlflowClient(tracking_server.uri)


@pytest.fixture
def run_id(client) -> str:
    return client.create_run("0").info.run_id


@pytest.fixture
def wire(tracking_server) -> Iterator[Wire]:
    wire = Wire(tracking_server.uri)
    yield wire
    wire.cut()


def values(step: int) -> dict[str, float]:
    return {name: step + index / 8 for index, name in enumerate(METRICS)}


def log_steps(tracker, steps: range) -> None:
    for step in steps:
        tracker.log(values(step), step)


def in_spool(spool: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in spool.read_text().splitlines()]
    assert len({line["step"] for line in lines}) == len(lines)
    return {line["step"]: line["metrics"] for line in lines}


def arrived(client: MlflowClient, run_id: str) -> list[tuple[str, int, float]]:
    return sorted(
        (entry.key, entry.step, entry.value)
        for name in METRICS
        for entry in client.get_metric_history(run_id, name)
    )


def wanted(steps: range) -> list[tuple[str, int, float]]:
    return sorted((name, step, value) for step in steps for name, value in values(step).items())


def wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_all_metrics_arrive_once_each(client, run_id, tracking_server, tmp_path, caplog):
    spool = tmp_path / "new" / "metrics.jsonl"
    tracker = MlflowTracker(spool, tracking_server.uri, run_id)
    log_steps(tracker, range(1, 70))
    wait_until(lambda: len(arrived(client, run_id)) > 0)
    log_steps(tracker, range(70, 400))
    tracker.finish()
    assert arrived(client, run_id) == wanted(range(1, 400))
    assert in_spool(spool) == {step: values(step) for step in range(1, 400)}
    assert caplog.records == []


def test_a_line_arrives_without_waiting_for_the_next(client, run_id, tracking_server, tmp_path):
    tracker = MlflowTracker(tmp_path / "metrics.jsonl", tracking_server.uri, run_id)
    tracker.log(values(1), 1)
    wait_until(lambda: arrived(client, run_id) == wanted(range(1, 2)))
    tracker.finish()


def test_what_another_attempt_left_in_the_spool_is_not_sent_again(client, run_id, tracking_server, tmp_path):
    spool = tmp_path / "metrics.jsonl"
    before = SpoolTracker(spool)
    log_steps(before, range(3))
    before.finish()
    tracker = MlflowTracker(spool, tracking_server.uri, run_id)
    log_steps(tracker, range(3, 6))
    tracker.finish()
    assert arrived(client, run_id) == wanted(range(3, 6))


def test_without_a_server_training_goes_on_and_the_spool_has_everything(tmp_path, caplog):
    spool, uri = tmp_path / "metrics.jsonl", f"http://127.0.0.1:{free_ports(1)[0]}"
    tracker = MlflowTracker(spool, uri, "run", grace_seconds=1.0)
    tracker.log(values(0), 0)
    wait_until(lambda: "metrics wait in" in caplog.text)
    start = time.monotonic()
    log_steps(tracker, range(1, 200))
    assert time.monotonic() - start < 1.0
    assert in_spool(spool) == {step: values(step) for step in range(200)}
    start = time.monotonic()
    tracker.finish()
    assert time.monotonic() - start < 4.0
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    # Once when the outage begins, once at the end.
    assert len(said) == 2
    assert said[-1] == f"MLflow at {uri} did not take all metrics; they are in {spool}"


def test_a_server_that_hangs_delays_the_end_by_its_grace_only(wire, run_id, tmp_path, caplog):
    wire.connect()
    wire.hangs = True
    tracker = MlflowTracker(tmp_path / "metrics.jsonl", wire.uri, run_id, grace_seconds=0.5)
    start = time.monotonic()
    log_steps(tracker, range(5))
    tracker.finish()
    assert time.monotonic() - start < 3.0
    assert "did not take all metrics" in caplog.text


def test_metrics_of_an_outage_arrive_once_each_when_the_server_is_back(
    wire, client, run_id, tmp_path, caplog
):
    tracker = MlflowTracker(tmp_path / "metrics.jsonl", wire.uri, run_id)
    log_steps(tracker, range(10))
    wait_until(lambda: "metrics wait in" in caplog.text)
    wire.connect()
    wait_until(lambda: arrived(client, run_id) == wanted(range(10)))
    wire.cut()
    log_steps(tracker, range(10, 150))
    time.sleep(0.5)
    assert arrived(client, run_id) == wanted(range(10))
    wire.connect()
    wait_until(lambda: arrived(client, run_id) == wanted(range(150)))
    log_steps(tracker, range(150, 160))
    tracker.finish()
    assert arrived(client, run_id) == wanted(range(160))
    assert "did not take all metrics" not in caplog.text


def test_lost_answers_do_not_double_metrics(wire, client, run_id, tmp_path):
    wire.connect()
    wire.loses_answers = True
    tracker = MlflowTracker(tmp_path / "metrics.jsonl", wire.uri, run_id)
    log_steps(tracker, range(30))
    wait_until(lambda: wire.answers_lost >= 3)
    wire.loses_answers = False
    tracker.finish()
    assert arrived(client, run_id) == wanted(range(30))


def test_a_spool_alone_keeps_what_was_there(tmp_path):
    spool = tmp_path / "a" / "b" / "metrics.jsonl"
    for steps in (range(2), range(2, 4)):
        tracker = SpoolTracker(spool)
        log_steps(tracker, steps)
        assert in_spool(spool) == {step: values(step) for step in range(steps.stop)}
        tracker.finish()


def test_other_ranks_write_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = NoTracker()
    tracker.log(values(1), 1)
    tracker.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_attempts_unsent_metrics_arrive_through_its_checkpoint(wire, client, run_id, tmp_path):
    killed = MlflowTracker(tmp_path / "killed.jsonl", wire.uri, run_id, grace_seconds=0.1)
    log_steps(killed, range(3))  # the wire is not connected: nothing arrives
    kept = json.loads(json.dumps(killed.unsent()))
    killed.finish()
    assert arrived(client, run_id) == []
    wire.connect()
    resumed = MlflowTracker(tmp_path / "resumed.jsonl", wire.uri, run_id)
    resumed.adopt(kept)
    resumed.adopt(kept[:1])  # as if the first line had been sent after all
    log_steps(resumed, range(3, 5))
    resumed.finish()
    assert arrived(client, run_id) == wanted(range(5))
    assert resumed.unsent() == []


def test_a_full_disk_is_named(tmp_path):
    place = tmp_path / "metrics.jsonl"
    place.symlink_to("/dev/full")
    tracker = SpoolTracker(place)
    with pytest.raises(TrackingError, match=r"cannot be kept in .*No space left.*set TMPDIR.*goes on from"):
        tracker.log({"loss/total": 1.0}, 1)
    tracker.finish()


def test_all_lines_wait_where_mlflow_made_no_run(tmp_path):
    tracker = WaitingTracker(tmp_path / "metrics.jsonl")
    tracker.adopt(["before"])
    tracker.log({"loss/total": 1.0}, 1)
    before, line = tracker.unsent()
    assert before == "before"
    assert json.loads(line)["metrics"] == {"loss/total": 1.0}
