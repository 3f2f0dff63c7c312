"""One or several Ray nodes on this host, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}


@contextmanager
def raylets(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Three raylets, one CPU each; what is in `environment` is for them and for their workers."""
    for name, value in {**ENVIRONMENT, **environment}.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**NODE)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def one_node(cpus: int) -> Iterator[None]:
    """A head in which this process is the driver; workers run this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "OMP_NUM_THREADS": "1"}.items():
            patch.setenv(name, value)
        memory = NODE["object_store_memory"]
        # `local`: never a cluster that another test runs meanwhile.
        ray.init(
            "local", num_cpus=cpus, include_dashboard=False, object_store_memory=memory, log_to_driver=False
        )
        try:
            yield
        finally:
            ray.shutdown()
