"""Load of the node beside a run's own metrics: CPU, memory, disk, network, GPUs, by MLflow's names for them.

They go the way of all metrics, at the steps of those, so that no outage of MLflow slows, stops or loses them,
and a resumed run goes on with its steps.
"""

import importlib.util
import time
from collections.abc import Mapping

import psutil
import torch
from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

from pretrain.tracking import Tracker
from ray_jobs.passed_on import PassedOn

EVERY_SECONDS = 10.0
PREFIX = "system/"
"""MLflow shows metrics of this name on a page of their own."""


class WithSystemMetrics(PassedOn):
    """A `Tracker`, for rank 0: adds the load since its last look, `EVERY_SECONDS` apart at least."""

    def __init__(self, tracker: Tracker, every_seconds: float = EVERY_SECONDS) -> None:
        super().__init__(tracker)
        self._every_seconds = every_seconds
        self._looked = float("-inf")
        self._monitors: list[BaseMetricsMonitor] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        if torch.cuda.is_available() and importlib.util.find_spec("pynvml"):
            self._monitors.append(GPUMonitor())
        psutil.cpu_percent()  # the first answer has nothing to compare with

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        now = time.monotonic()
        if now - self._looked >= self._every_seconds:
            self._looked = now
            metrics = {**metrics, **self._load()}
        super().log(metrics, step)

    def _load(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"{PREFIX}{name}": value for name, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return found
