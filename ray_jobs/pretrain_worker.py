"""What each rank of a pretraining job runs.

A module of its own: Ray sends a script's own functions by value, and an imported module's by name.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pretrain.config import from_dict
from pretrain.errors import FencedError, StoppedError
from pretrain.recipe import PretrainConfig
from pretrain.tracking import MlflowTracker, NoTracker, Tracker, WaitingTracker
from pretrain.train import train
from pretrain.world import join_group
from ray_jobs.cluster import ClusterConfig, NodeDrains, node_taken
from ray_jobs.elastic import Room
from ray_jobs.gauges import GaugeTracker
from ray_jobs.runs import TrackingConfig
from ray_jobs.system_metrics import WithSystemMetrics


@dataclass(frozen=True)
class PretrainJob(PretrainConfig):
    """A pretraining run and the cluster it runs on."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    @property
    def sizes(self) -> list[int]:
        """Numbers of workers that the group may have."""
        return self.cluster.sizes(self.run.global_batch // self.engine.accumulate)


def worker(content: dict[str, Any]) -> str | None:
    """Train as one rank of Ray's process group.

    Returns:
        Why the run may not go on under this driver; None where it is through. An error would start the group
        anew, which helps nobody who was replaced.
    """
    job = from_dict(PretrainJob, content["job"])
    world = join_group()
    run_id = content["mlflow_run_id"]
    tracker: Tracker = NoTracker()
    if world.rank == 0:
        spool = Path(tempfile.mkdtemp(prefix="facscale-metrics-")) / "metrics.jsonl"
        kept = MlflowTracker(spool, job.tracking.uri, run_id) if run_id else WaitingTracker(spool)
        tracker = GaugeTracker(
            WithSystemMetrics(kept), job.tracking.experiment, job.tracking.name, job.run.steps
        )
    drains = NodeDrains(job.run.log_every)
    room = Room(job.sizes, world.size, job.cluster.needs, world.rank, job.run.log_every)

    def asked() -> bool:
        return any([drains(), room()])

    try:
        train(job, world, tracker, {"mlflow_run_id": run_id}, asked, content["lease"])
    except StoppedError as stopped:
        raise node_taken(str(stopped)) from stopped
    except FencedError as fenced:
        return str(fenced)
    finally:
        tracker.finish()
    return None
