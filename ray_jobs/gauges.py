"""The metrics of a training run as Ray's gauges, which every node of the cluster shows to Prometheus.

A metric `group/name` is the gauge `facscale_pretrain_group_name`; the parts of the loss are one gauge with a
label, since each objective has parts of its own. Ray puts `ray_` before every name.
"""

import time
from collections.abc import Mapping

from ray.util.metrics import Gauge

from pretrain.tracking import Tracker
from ray_jobs.passed_on import PassedOn

PREFIX = "facscale_pretrain_"
LOSS = "loss/"
LABELS = ("experiment", "run")


class GaugeTracker(PassedOn):
    """A `Tracker` that shows each metric's newest value, and hands all of them on to another tracker.

    Nothing is averaged or kept: a gauge has the last logged step's value, and tells which step that is.
    """

    def __init__(self, tracker: Tracker, experiment: str, run: str, steps: int) -> None:
        """`steps`: of the whole run, for what is left of it."""
        super().__init__(tracker)
        self._labels = {"experiment": experiment, "run": run}
        self._gauges: dict[str, Gauge] = {}
        self._set("steps", steps)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        super().log(metrics, step)
        self._set("step", step)
        self._set("logged_unix_seconds", time.time())
        for name, value in metrics.items():
            if name.startswith(LOSS):
                self._set("loss", value, part=name.removeprefix(LOSS))
            else:
                self._set(name.replace("/", "_"), value)

    def _set(self, name: str, value: float, **labels: str) -> None:
        if name not in self._gauges:
            keys = (*LABELS, *labels)
            self._gauges[name] = Gauge(f"{PREFIX}{name}", f"{name} of the newest logged step", tag_keys=keys)
        self._gauges[name].set(float(value), {**self._labels, **labels})
