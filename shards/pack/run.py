"""Units in work: videos go to a pool's processes, and a unit is written when its last video is spooled."""

import socket
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards.errors import ShardError
from shards.pack.faces.detector_server import DetectorAddress
from shards.pack.job import PackConfig, recipe_of, versions
from shards.pack.lease import PackLease
from shards.pack.limits import took_note
from shards.pack.origin import Origin
from shards.pack.pool import Crash, Task, TaskPool
from shards.pack.progress import Progress, Tell
from shards.pack.spool import VideoSpool
from shards.pack.unit import UnitJob, write_unit
from shards.pack.units import Unit
from shards.pack.video import VideoJob, VideoResult, open_detector, pack_video
from shards.schema import Failure

TASKS_AHEAD = 2
"""Per worker, so that none waits for this process."""


@dataclass(frozen=True)
class SetWork:
    """What the work on every unit of a set has in common."""

    config: PackConfig
    facts: dict[str, Any]
    """For every sample's json: recipe digest and AU names."""
    held: PackLease
    """Looked at before a unit is written."""
    versions: dict[str, str] = field(default_factory=versions)
    """Of the process that began the pack."""
    detector_server: DetectorAddress | None = None
    """Who finds faces; None: each video's process does it itself."""

    def check_here(self) -> None:
        """Refuse to pack on a machine where other bytes would come out than on the first one.

        Raises:
            ShardError: naming each difference.
        """
        here = versions()
        other = [
            f"{name} is {here.get(name)} here and {version} where the pack began"
            for name, version in self.versions.items()
            if here.get(name) != version
        ]
        with open_detector(self.config.detector, self.detector_server) as detector:
            if recipe_of(self.config, detector).digest != self.facts["recipe_digest"]:
                other.append(f"{self.config.detector} or {self.config.crop} is another one than there")
        if other:
            raise ShardError(f"{socket.gethostname()}: {'; '.join(other)}; install equal versions")


@dataclass
class _Begun:
    """A unit whose videos are not all spooled."""

    unit: Unit
    waiting: int
    failures: list[Failure]


class Packing:
    """Packs units with the processes of one pool, and counts into `progress`."""

    def __init__(self, work: SetWork, pool: TaskPool, progress: Progress, tell: Tell) -> None:
        """`tell` is called after every video and unit."""
        self._work = work
        self._pool = pool
        self._progress = progress
        self._tell = tell
        self._begun: dict[str, _Begun] = {}
        """By the ids of their videos."""
        self._ready: deque[Task] = deque()

    def run(self, units: Iterable[Unit], origin: Origin) -> None:
        """All videos of all units, a bounded number at a time."""
        videos = self._videos(units, origin)
        while True:
            while len(self._pool) < TASKS_AHEAD * self._pool.workers:
                task = self._ready.popleft() if self._ready else next(videos, None)
                if task is not None:
                    self._pool.submit(task)
                elif not self._ready:  # a unit without videos was the last one
                    break
            if not len(self._pool):
                return
            for task, result in self._pool.collect():
                self._take(task, result)
                self._tell(self._progress)

    def _videos(self, units: Iterable[Unit], origin: Origin) -> Iterator[Task]:
        for unit in units:
            self._progress.failures.update(failure.reason for failure in unit.failures)
            begun = _Begun(unit, len(unit.sources), list(unit.failures))
            if not unit.sources:
                self._finish(begun)
            for source in unit.sources:
                self._begun[source.video_id] = begun
                job = VideoJob(
                    source,
                    self._work.config,
                    origin.part([source]),
                    unit.bytes_of[source.video_id],
                    self._work.detector_server,
                )
                yield Task(pack_video, job)

    def _take(self, task: Task, result: Any) -> None:
        if isinstance(task.job, UnitJob):
            if isinstance(result, Crash):
                raise ShardError(
                    f"the process that wrote unit {task.job.unit} was killed; is memory or disk full?"
                )
            self._progress.samples += result
        elif isinstance(result, Crash):
            self._ready.appendleft(Task(after_crash, task.job))
        else:
            self._take_video(task.job, result)

    def _take_video(self, job: VideoJob, result: VideoResult) -> None:
        self._progress.videos_done += 1
        self._progress.bytes_done += job.source_bytes
        self._progress.frames += result.frames_read
        self._progress.stage_seconds.update(result.stage_seconds)
        self._progress.failures.update(failure.reason for failure in result.failures)
        begun = self._begun.pop(result.video_id)
        begun.failures += result.failures
        begun.waiting -= 1
        if not begun.waiting:
            self._finish(begun)

    def _finish(self, begun: _Begun) -> None:
        """All videos of the unit are spooled: it can be written."""
        self._work.held.check()
        work, unit = self._work, begun.unit
        job = UnitJob(unit.name, work.config, unit.sources, begun.failures, work.facts)
        self._ready.append(Task(write_unit, job))


def after_crash(job: VideoJob, spool: Path) -> VideoResult:
    """The task that stands in for a video whose process died: an empty spool, and why."""
    reason, detail = "crashed", "its process died; a damaged file can crash a codec"
    if took_note(spool / job.stall_note):
        reason, detail = "stalled", f"no frame for {job.config.stall_seconds:g} s; its process was ended"
    VideoSpool(spool, job.hash).clear()
    return VideoResult(job.source.video_id, failures=[Failure(job.source.video_id, "decode", reason, detail)])
