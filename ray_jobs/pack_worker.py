"""What a node does for a pack: units, faces for other processes, and the counts of all units.

A module of its own: Ray sends a script's own functions by value, and an imported module's by name.
"""

from dataclasses import replace
from typing import Any

import ray

from shards.pack.faces.detector_server import DetectorAddress, DetectorServer
from shards.pack.faces.plugins import get_detector
from shards.pack.origin import Origin
from shards.pack.pool import local_pool
from shards.pack.progress import Progress
from shards.pack.run import Packing, SetWork
from shards.pack.units import Unit


class Board:
    """The newest progress of every unit; a unit that begins again starts from nothing."""

    def __init__(self) -> None:
        self._units: dict[str, Progress] = {}

    def put(self, unit: str, progress: Progress) -> None:
        self._units[unit] = progress

    def total(self) -> Progress:
        total = Progress(0)
        for progress in self._units.values():
            total.add(progress)
        return total


class DetectorActor:
    """Holds one detector, and the GPU or the part of one that it was given."""

    def __init__(self, name: str, key: bytes) -> None:
        self._server = DetectorServer(get_detector(name), ray.util.get_node_ip_address(), key)

    def address(self) -> DetectorAddress:
        return self._server.address


def pack_unit(work: SetWork, unit: Unit, origin: Origin, board: Any, detector: Any | None) -> None:
    """Pack one unit with one process of this node.

    Raises:
        ShardError: this node would give other bytes than the one that began the pack; or as packing does.
    """
    if detector is not None:
        work = replace(work, detector_server=ray.get(detector.address.remote()))
    work.check_here()
    progress = Progress(len(unit.sources), unit.bytes)
    board.put.remote(unit.name, progress)

    def tell(progress: Progress) -> None:
        board.put.remote(unit.name, progress)

    with local_pool(1, work.config.spool) as pool:
        Packing(work, pool, progress, tell).run([unit], origin)
    ray.get(board.put.remote(unit.name, progress))  # the last count is there before this task is known to end
