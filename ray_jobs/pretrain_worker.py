"""What each rank of a pretraining job runs.

A module of its own: Ray sends a script's own functions by value, and an imported module's by name.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pretrain.config import from_dict
from pretrain.errors import StoppedError
from pretrain.recipe import PretrainConfig
from pretrain.tracking import MlflowTracker, NoTracker, Tracker
from pretrain.train import train
from pretrain.world import join_group
from ray_jobs.cluster import ClusterConfig, NodeDrains, node_taken
from ray_jobs.gauges import GaugeTracker
from ray_jobs.runs import TrackingConfig
from ray_jobs.system_metrics import WithSystemMetrics


@dataclass(frozen=True)
class PretrainJob(PretrainConfig):
    """A pretraining run and the cluster it runs on."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


def worker(content: dict[str, Any]) -> None:
    """Train as one rank of Ray's process group."""
    job = from_dict(PretrainJob, content["job"])
    world = join_group()
    tracker: Tracker = NoTracker()
    if world.rank == 0:
        spool = Path(tempfile.mkdtemp(prefix="facscale-metrics-")) / "metrics.jsonl"
        spooled = WithSystemMetrics(MlflowTracker(spool, job.tracking.uri, content["mlflow_run_id"]))
        tracker = GaugeTracker(spooled, job.tracking.experiment, job.tracking.name, job.run.steps)
    try:
        asked = NodeDrains(job.run.log_every)
        train(job, world, tracker, {"mlflow_run_id": content["mlflow_run_id"]}, asked)
    except StoppedError as stopped:
        raise node_taken(str(stopped)) from stopped
    finally:
        tracker.finish()
