"""A group of workers that is as large as the cluster has room for, and as the batch divides by.

Ray ends a group that it resizes without a word. So it is never asked to resize a running one: the workers
look for room themselves, save as if their node were taken away, and the group that starts anew is larger. It
is smaller after a node was lost, or was taken away with notice.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.train import Result, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.execution.scaling_policy import (
    ElasticScalingPolicy,
    NoopDecision,
    ResizeDecision,
)
from ray.train.v2._internal.execution.worker_group import WorkerGroupPollStatus, WorkerGroupState

logger = logging.getLogger("ray.train")
SETTLED_SECONDS, LOOK_SECONDS, TELL_SECONDS = 5.0, 0.5, 30.0
ASKS = 2
"""Room that is there so often in a row is taken: a node that joins or a job that ends shows up bit by bit."""


class Room:
    """Whether the cluster could hold a larger group; asked at every `every`th call, on rank 0 alone."""

    def __init__(
        self, sizes: Sequence[int], size: int, needs: Mapping[str, float], rank: int, every: int
    ) -> None:
        """`sizes` are what a group may have, `size` is what this one has; each worker `needs` resources."""
        self._larger = [other for other in sizes if other > size]
        self._size, self._needs, self._every = size, needs, every
        self._asks = rank == 0 and bool(self._larger)
        self._calls = self._found = 0

    def __call__(self) -> bool:
        self._calls += 1
        if not self._asks or self._calls % self._every:
            return False
        has_room = self._size + places(free_by_node(), self._needs) >= self._larger[0]
        self._found = self._found + 1 if has_room else 0
        return self._found >= ASKS


def places(by_node: Mapping[str, Mapping[str, float]], needs: Mapping[str, float]) -> int:
    """Workers that fit on the nodes; none is spread over two."""
    return sum(
        min(int(free.get(name, 0.0) // amount) for name, amount in needs.items() if amount)
        for free in by_node.values()
    )


def free_by_node() -> dict[str, dict[str, float]]:
    """What is free on each node that stays."""
    free: dict[str, dict[str, float]] = ray._private.state.available_resources_per_node()
    staying = staying_nodes()
    return {node: resources for node, resources in free.items() if node in staying}


def held_places() -> int:
    """Places of this job on nodes that stay: a group that failed keeps them until the next one begins."""
    staying, job = staying_nodes(), ray.get_runtime_context().get_job_id()
    groups = ray.util.placement_group_table().values()
    return sum(
        node in staying
        for group in groups
        if group["placement_group_id"].endswith(job) and group["state"] != "REMOVED"
        for node in group["bundles_to_node_id"].values()
    )


def staying_nodes() -> set[str]:
    """Nodes that live and are not about to be taken away."""
    living = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return living - set(ray._private.state.state.get_draining_nodes())


class SizesPolicy(ElasticScalingPolicy):  # type: ignore[misc]  # ray's internals have no types
    """As many workers as there is room for, but one of `sizes`.

    What counts is what is free on living nodes, or this job's already. Ray's own policy counts what its
    coordinator has reserved, which for three minutes keeps what a killed driver had; and it asks again
    without a pause.
    """

    def __init__(
        self, scaling_config: ScalingConfig, sizes: Sequence[int], needs: Mapping[str, float]
    ) -> None:
        super().__init__(scaling_config)
        self._sizes, self._needs = sorted(sizes), needs
        self._found, self._since, self._told = -1, 0.0, time.monotonic()

    def make_decision_for_non_running_worker_group(self) -> NoopDecision | ResizeDecision:
        self._maybe_send_resource_request()
        room = places(free_by_node(), self._needs) + held_places()
        found = max((size for size in self._sizes if size <= room), default=0)
        now = time.monotonic()
        if found != self._found:
            self._found, self._since = found, now
        # What an earlier group had is free bit by bit: a smaller group is not begun at once.
        if found == self._sizes[-1] or (found and now - self._since >= SETTLED_SECONDS):
            self._found = -1
            return self._get_resize_decision(found)
        if now - self._told >= TELL_SECONDS:
            self._told = now
            logger.info("waiting for room: %d workers fit, wanted one of %s", room, self._sizes)
        time.sleep(LOOK_SECONDS)
        return NoopDecision()

    def make_decision_for_running_worker_group(
        self, worker_group_state: WorkerGroupState, worker_group_status: WorkerGroupPollStatus
    ) -> NoopDecision:
        self._maybe_send_resource_request()
        return NoopDecision()


class SizesTrainer(TorchTrainer):  # type: ignore[misc]  # as above
    """A trainer whose group has one of `sizes`."""

    def __init__(
        self, *arguments: Any, sizes: Sequence[int], needs: Mapping[str, float], **settings: Any
    ) -> None:
        super().__init__(*arguments, **settings)
        self._sizes, self._needs = sizes, needs

    def _initialize_and_run_controller(self, **settings: Any) -> Result:
        policy = SizesPolicy(self.scaling_config, self._sizes, self._needs)
        return super()._initialize_and_run_controller(**{**settings, "scaling_policy": policy})
