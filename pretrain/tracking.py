"""Metrics: an append-only local file first, MLflow after it, so that no outage slows or stops training.

Only global rank 0 tracks. The launcher creates the MLflow run; a resumed attempt continues it by its id.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

logger = logging.getLogger(__name__)
RETRY_SECONDS = 5.0
BATCH = 500
"""Metrics per request; MLflow takes at most 1,000."""


class Tracker(Protocol):
    """Where metrics go."""

    def log(self, metrics: Mapping[str, float], step: int) -> None: ...

    def finish(self) -> None: ...


class NoTracker:
    """For ranks other than 0, and for runs without tracking."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass

    def finish(self) -> None:
        pass


class SpoolTracker:
    """Writes a local JSON-lines file and nothing else."""

    def __init__(self, spool: Path) -> None:
        spool.parent.mkdir(parents=True, exist_ok=True)
        self.spool = spool
        self._file = spool.open("a", buffering=1)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        line = {"step": step, "time_ms": round(time.time() * 1000), "metrics": dict(metrics)}
        self._file.write(json.dumps(line) + "\n")

    def finish(self) -> None:
        self._file.close()


class MlflowTracker:
    """Replays the spool to an MLflow run from a background thread."""

    def __init__(self, spool: Path, tracking_uri: str, run_id: str, grace_seconds: float = 30.0) -> None:
        """`grace_seconds`: how long `finish` waits for a server that does not answer."""
        self._spool = SpoolTracker(spool)
        self._uri, self._run_id, self._grace_seconds = tracking_uri, run_id, grace_seconds
        self._position = spool.stat().st_size
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._replay, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._spool.log(metrics, step)

    def finish(self) -> None:
        """Send what is left; what cannot be sent stays in the spool file, and that is said."""
        self._spool.finish()
        self._stop.set()
        self._thread.join(self._grace_seconds)
        if self._thread.is_alive() or self._position < self._spool.spool.stat().st_size:
            logger.warning(
                "MLflow at %s did not take all metrics; they are in %s", self._uri, self._spool.spool
            )

    def _replay(self) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self._uri)
        deadline = float("inf")
        while True:
            stopping = self._stop.is_set()
            if stopping and deadline == float("inf"):
                deadline = time.monotonic() + self._grace_seconds
            try:
                self._send(client)
                if stopping:
                    return
                self._stop.wait(1.0)
            except (MlflowException, OSError) as error:
                logger.info("MLflow at %s: %s; trying again", self._uri, error)
                if time.monotonic() > deadline:
                    return
                self._stop.wait(RETRY_SECONDS) if not stopping else time.sleep(1.0)

    def _send(self, client: Any) -> None:
        from mlflow.entities import Metric

        with self._spool.spool.open() as file:
            file.seek(self._position)
            while lines := [line for line in (file.readline() for _ in range(20)) if line.endswith("\n")]:
                entries = [json.loads(line) for line in lines]
                metrics = [
                    Metric(name, value, entry["time_ms"], entry["step"])
                    for entry in entries
                    for name, value in entry["metrics"].items()
                ]
                for start in range(0, len(metrics), BATCH):
                    client.log_batch(self._run_id, metrics=metrics[start : start + BATCH])
                self._position += sum(len(line.encode()) for line in lines)
