"""Units of a pack on the nodes of a cluster: one task each, holding one CPU, with a process of its own.

A task whose node or process dies is begun again elsewhere by Ray; its unit is all that is lost. No frame
passes through Ray: a node fetches its videos, spools crops on its own disk, and writes shards to the store.
"""

import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_jobs.pack_worker import Board, DetectorActor, pack_unit
from shards.errors import ShardError
from shards.pack.faces.detect import Detector
from shards.pack.faces.detector_server import DetectorLostError, connected
from shards.pack.faces.plugins import get_detector
from shards.pack.job import PackConfig
from shards.pack.origin import Origin
from shards.pack.progress import Progress, Tell
from shards.pack.run import SetWork
from shards.pack.units import Unit

UNITS_AHEAD = 2
"""Tasks per CPU: some wait, so that no CPU does, and that a cluster which grows on demand sees the demand."""


@dataclass(frozen=True)
class PackClusterConfig:
    """What a pack may take of the cluster."""

    bytes_in_flight: int = 2**40
    """Of the videos whose units are worked on or wait for a CPU; bounds what the nodes spool."""
    most_losses: int = 10
    """Of one unit's process or node, before the pack fails."""
    detectors: int = 0
    """Processes that find faces for all others; with 0, each video's process does it itself."""
    gpus_per_detector: float = 0.0
    """May be a fraction: several share a GPU."""
    report_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name, least in (("bytes_in_flight", 1), ("most_losses", 0), ("detectors", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"cluster.{name} needs at least {least}, found {getattr(self, name)}")
        if self.gpus_per_detector < 0 or self.report_seconds <= 0:
            raise ValueError(f"cluster needs gpus_per_detector >= 0 and report_seconds > 0, found {self}")


@dataclass(frozen=True)
class PackJob(PackConfig):
    """A pack and the cluster it runs on; `workers` has no meaning here.

    It stands in an imported module: a job's own main module is unknown to the workers.
    """

    cluster: PackClusterConfig = field(default_factory=PackClusterConfig)


class ClusterPackers:
    """A `Workplace`: all nodes of the cluster that this process is connected to, or connects to now."""

    def __init__(self, config: PackClusterConfig) -> None:
        self._config = config
        self._detectors: list[Any] = []

    def detector(self, name: str) -> Detector:
        """Its facts alone, where actors find the faces: their GPU may be on other machines only."""
        if not self._config.detectors:
            return get_detector(name)
        self._connect()
        gpus = self._config.gpus_per_detector
        actor = ray.remote(DetectorActor).options(
            num_cpus=0 if gpus else 1, num_gpus=gpus, max_restarts=-1, max_concurrency=8
        )
        key = secrets.token_bytes(32)
        self._detectors = [actor.remote(name, key) for _ in range(self._config.detectors)]
        with connected(_ask(self._detectors[0].address.remote())) as detector:
            return detector

    def pack_units(
        self, work: SetWork, units: list[Unit], origin: Origin, progress: Progress, tell: Tell
    ) -> None:
        self._connect()
        # On this process's node: another one may be lost.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        detectors = cycle(self._detectors or [None])
        before = replace(progress, failures=progress.failures.copy())
        # The largest first: the last ones to end are small.
        waiting = deque(sorted(units, key=lambda unit: (-unit.bytes, unit.name)))
        flying: dict[ray.ObjectRef, Unit] = {}
        try:
            while waiting or flying:
                while waiting and self._has_room(flying, waiting[0]):
                    unit = waiting.popleft()
                    part = origin.part(unit.sources)
                    flying[self._task().remote(work, unit, part, board, next(detectors))] = unit
                ended, _ = ray.wait(list(flying), timeout=self._config.report_seconds)
                for reference in ended:
                    del flying[reference]
                    _ask(reference)
                progress.become(before, _ask(board.total.remote()))
                tell(progress)
        finally:
            for reference in flying:
                ray.cancel(reference, force=True)
            for actor in [board, *self._detectors]:
                ray.kill(actor)

    def _task(self) -> Any:
        return ray.remote(pack_unit).options(
            num_cpus=1,
            max_retries=self._config.most_losses,
            retry_exceptions=[DetectorLostError, ray.exceptions.ActorUnavailableError],
            scheduling_strategy="SPREAD",
        )

    def _connect(self) -> None:
        if not ray.is_initialized():
            ray.init(log_to_driver=False)

    def _has_room(self, flying: dict[Any, Unit], unit: Unit) -> bool:
        """One unit may always fly, however large."""
        cpus = int(ray.cluster_resources().get("CPU", 1))
        in_flight = sum(other.bytes for other in flying.values()) + unit.bytes
        return not flying or (len(flying) < UNITS_AHEAD * cpus and in_flight <= self._config.bytes_in_flight)


def _ask(reference: Any) -> Any:
    """What a task or actor gives; an error that says what to do comes as itself, without Ray's trace."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ShardError):
            raise ShardError(str(error.cause)) from error
        raise
    except ray.exceptions.ActorDiedError as error:
        raise ShardError(f"a helper of the pack could not start or died: {error}") from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
        raise ShardError(
            f"a unit lost its process or node again and again, the last time: {error}"
        ) from error
