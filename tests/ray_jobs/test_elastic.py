"""How large a group may be; that it grows and shrinks is in tests/chaos/test_cluster_faults.py."""

import pytest

from ray_jobs.cluster import ClusterConfig
from ray_jobs.elastic import places


def test_no_worker_is_spread_over_two_nodes() -> None:
    nodes = {"a": {"CPU": 3.0, "memory": 1e9}, "b": {"CPU": 1.0}, "c": {"GPU": 4.0, "CPU": 4.0}, "d": {}}
    assert places(nodes, {"CPU": 2, "GPU": 0}) == 1 + 2
    assert places(nodes, {"CPU": 1, "GPU": 1}) == 4
    assert places({}, {"CPU": 1}) == 0


def test_a_group_has_as_many_as_the_batch_divides_by() -> None:
    assert ClusterConfig(workers=2).sizes(12) == [2]
    assert ClusterConfig(workers=2, max_workers=6).sizes(12) == [2, 3, 4, 6]
    assert ClusterConfig(workers=1, max_workers=4).sizes(4) == [1, 2, 4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"workers": 3, "max_workers": 2}, "cluster.max_workers=2 is less than cluster.workers=3"),
        ({"silent_seconds": 0}, "cluster.silent_seconds must be above 0"),
    ],
)
def test_bad_settings(words: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterConfig(**words)
