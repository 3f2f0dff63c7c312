"""Metrics: an append-only local file first, MLflow after it, so that no outage slows or stops training.

Only global rank 0 tracks. The launcher creates the MLflow run; a resumed attempt continues it by its id.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pretrain.errors import TrackingError

logger = logging.getLogger(__name__)
RETRY_SECONDS = 5.0
LINES, BATCH = 50, 1000
"""Lines of the spool per advance, and metrics per request, of which MLflow takes no more."""


class Tracker(Protocol):
    """Where metrics go."""

    def log(self, metrics: Mapping[str, float], step: int) -> None: ...

    def unsent(self) -> list[str]:
        """Lines that a kill would lose; a checkpoint keeps them."""

    def adopt(self, lines: Sequence[str]) -> None:
        """Send what an earlier attempt could not; what it had sent after all is kept once."""

    def finish(self) -> None: ...


class NoTracker:
    """For ranks other than 0, and for runs without tracking."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass

    def unsent(self) -> list[str]:
        return []

    def adopt(self, lines: Sequence[str]) -> None:
        pass

    def finish(self) -> None:
        pass


class SpoolTracker:
    """Writes a local JSON-lines file and nothing else."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a", buffering=1)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        line = {"step": step, "time_ms": round(time.time() * 1000), "metrics": dict(metrics)}
        self.adopt([json.dumps(line)])

    def unsent(self) -> list[str]:
        return []

    def adopt(self, lines: Sequence[str]) -> None:
        try:
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
        except OSError as error:
            raise TrackingError(
                f"metrics cannot be kept in {self.path}: {error.strerror}; make room, or set TMPDIR to "
                "another disk. The last checkpoint is good, and the same command goes on from there"
            ) from error

    def finish(self) -> None:
        with suppress(OSError):  # what a full disk did not take was said
            self._file.close()


class WaitingTracker(SpoolTracker):
    """For a run that MLflow could not be asked to make: checkpoints carry all lines until one can."""

    def unsent(self) -> list[str]:
        return self.path.read_text().splitlines()


class MlflowTracker:
    """Replays the spool to an MLflow run from a background thread.

    Repeating a request whose answer was lost does no harm: the server keeps one of equal entries.
    """

    def __init__(self, spool: Path, tracking_uri: str, run_id: str, grace_seconds: float = 30.0) -> None:
        """`grace_seconds`: how long `finish` waits for a server that does not answer."""
        # MLflow's own retries double their pauses up to two minutes; a server that is back would wait.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        self._spool = SpoolTracker(spool)
        self._uri, self._run_id, self._grace_seconds = tracking_uri, run_id, grace_seconds
        self._position = spool.stat().st_size
        self._news, self._finishing = threading.Event(), threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._replay, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._spool.log(metrics, step)
        self._news.set()

    def unsent(self) -> list[str]:
        with self._spool.path.open("rb") as file:
            file.seek(self._position)
            return [line.decode().rstrip("\n") for line in file if line.endswith(b"\n")]

    def adopt(self, lines: Sequence[str]) -> None:
        self._spool.adopt(lines)
        self._news.set()

    def finish(self) -> None:
        """Send what is left; what cannot be sent stays in the spool file, and that is said."""
        self._spool.finish()
        self._deadline = time.monotonic() + self._grace_seconds
        self._finishing.set()
        self._news.set()
        self._thread.join(self._grace_seconds)
        if self._thread.is_alive() or self._position < self._spool.path.stat().st_size:
            logger.warning(
                "MLflow at %s did not take all metrics; they are in %s", self._uri, self._spool.path
            )

    def _replay(self) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self._uri)
        answers = True
        while time.monotonic() < self._deadline:
            self._news.wait()
            self._news.clear()
            last = self._finishing.is_set()
            try:
                self._send(client)
                if last:
                    return
                answers = True
            except (MlflowException, OSError) as error:
                if answers:
                    logger.warning("MLflow at %s: %s; metrics wait in %s", self._uri, error, self._spool.path)
                answers = False
                self._news.set()
                time.sleep(1.0) if last else self._finishing.wait(RETRY_SECONDS)

    def _send(self, client: Any) -> None:
        from mlflow.entities import Metric

        with self._spool.path.open("rb") as file:
            file.seek(self._position)
            lines = [line for line in file if line.endswith(b"\n")]
        for first in range(0, len(lines), LINES):
            chunk = lines[first : first + LINES]
            entries = [json.loads(line) for line in chunk]
            metrics = [
                Metric(name, value, entry["time_ms"], entry["step"])
                for entry in entries
                for name, value in entry["metrics"].items()
            ]
            for start in range(0, len(metrics), BATCH):
                client.log_batch(self._run_id, metrics=metrics[start : start + BATCH])
            self._position += sum(map(len, chunk))
