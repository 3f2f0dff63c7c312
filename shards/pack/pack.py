"""A folder of videos into a shard set.

Videos are worked on by a pool of processes and spooled locally; when all videos of a unit are there, the
unit is written, uploaded and committed by its index. No state crosses units: what a unit holds depends on
its own videos only, so that any number of processes gives the same bytes and a killed pack goes on with the
units that have no index. The manifest comes last.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards import storage
from shards.errors import ShardError
from shards.index import from_parquet, summary_of, to_rows
from shards.layouts.layout import Layout, Source
from shards.layouts.registry import get_layout, list_sources
from shards.pack.detect import YuNet
from shards.pack.job import PackConfig as PackConfig
from shards.pack.job import assign, claim, describe, recipe_of, versions
from shards.pack.lease import Lease, lease
from shards.pack.limits import took_note
from shards.pack.pool import Crash, Task, TaskPool
from shards.pack.spool import VideoSpool, spool_folder, video_hash
from shards.pack.unit import UnitJob, write_unit
from shards.pack.video import VideoJob, VideoResult, pack_video
from shards.schema import MANIFEST_NAME, CropRecipe, Failure, FileEntry, Manifest, SampleRow, index_name
from shards.totals import count_totals


@dataclass
class Progress:
    """How far a pack is; the same object is given at every call."""

    videos: int
    """Of the whole set."""
    videos_done: int = 0
    frames: int = 0
    """Decoded by this run."""
    samples: int = 0
    """Written by this run."""
    failures: Counter[str] = field(default_factory=Counter)
    stage_seconds: Counter[str] = field(default_factory=Counter)
    """CPU seconds of the workers."""
    note: str = ""


def pack(config: PackConfig, progress: Callable[[Progress], None] | None = None) -> Manifest:
    """Pack `config.source` to `config.url`, or what of it is missing there.

    `progress` is called after every video and unit.

    Raises:
        ShardError: the source has not this layout, the url holds another set, the store does not answer.
    """
    layout = get_layout(config.layout)
    listing = list_sources(layout, config.source)
    recipe = recipe_of(config, YuNet())
    target = storage.join(config.url, MANIFEST_NAME)
    finished = storage.exists(target)
    claim(config.url, describe(config, layout, listing, recipe), finished)
    report = Progress(len(listing.sources))
    tell = progress or (lambda _: None)
    if finished:
        report.videos_done, report.note = report.videos, "finished before; nothing to do"
        tell(report)
        return Manifest.from_json(storage.read_bytes(target).decode(), target)

    def note(line: str) -> None:
        report.note = line
        tell(report)

    with lease(config.url, note) as held, spool_folder(config.spool) as spool:
        units = assign(listing, config)
        committed = set(storage.list_names(config.url))
        missing = {unit: content for unit, content in units.items() if index_name(unit) not in committed}
        report.videos_done = sum(len(sources) for unit, (sources, _) in units.items() if unit not in missing)
        note(f"goes on with {len(missing)} of {len(units)} units" if len(missing) < len(units) else "")
        _Run(config, layout, recipe, spool, report, tell, held).run(missing)
        manifest = _manifest(config, layout, recipe, list(units))
        held.check()
        storage.write_bytes(target, manifest.to_json().encode())
    return manifest


class _Run:
    """The units in work: which wait for videos, and what came of them."""

    def __init__(
        self,
        config: PackConfig,
        layout: Layout,
        recipe: CropRecipe,
        spool: Path,
        report: Progress,
        tell: Callable[[Progress], None],
        held: Lease,
    ) -> None:
        self._config = config
        self._held = held
        self._spool = spool
        self._report = report
        self._tell = tell
        self._facts = {
            "recipe_digest": recipe.digest,
            "occurrence_aus": layout.occurrence_aus,
            "intensity_aus": layout.intensity_aus,
        }
        self._sources: dict[str, list[Source]] = {}
        self._failures: dict[str, list[Failure]] = {}
        self._unit_of: dict[str, str] = {}
        self._waiting: Counter[str] = Counter()
        self._ready: deque[Task] = deque()

    def run(self, units: dict[str, tuple[list[Source], list[Failure]]]) -> None:
        """All videos of all units, a bounded number at a time; each unit is written as it fills."""
        workers = self._config.workers or len(os.sched_getaffinity(0))
        videos = self._videos(units)
        with TaskPool(workers) as pool:
            while True:
                while len(pool) < 2 * workers:
                    task = self._ready.popleft() if self._ready else next(videos, None)
                    if task is None:
                        if not self._ready:  # the last units may have no videos at all
                            break
                        continue
                    pool.submit(task)
                if not len(pool):
                    return
                for task, result in pool.collect():
                    self._take(task, result)
                    self._tell(self._report)

    def _videos(self, units: dict[str, tuple[list[Source], list[Failure]]]) -> Iterator[Task]:
        for unit, (sources, failures) in units.items():
            self._sources[unit], self._failures[unit] = sources, list(failures)
            self._report.failures.update(failure.reason for failure in failures)
            self._waiting[unit] = len(sources)
            if not sources:
                self._finish(unit)
            for source in sources:
                self._unit_of[source.video_id] = unit
                config = self._config
                job = VideoJob(
                    source,
                    config.set_namespace,
                    config.size,
                    config.frames_per_sample,
                    config.detect_every,
                    config.stall_seconds,
                    config.memory_bytes,
                )
                yield Task(pack_video, (job, self._spool))

    def _take(self, task: Task, result: Any) -> None:
        job = task.arguments[0]
        if isinstance(job, UnitJob):
            if isinstance(result, Crash):
                raise ShardError(
                    f"the process that wrote unit {job.unit} was killed; is memory or disk full?"
                )
            self._report.samples += result
            return
        video_id = job.source.video_id
        if isinstance(result, Crash):
            result = VideoResult(video_id, failures=[self._ended(job)])
            VideoSpool(self._spool, video_hash(job.namespace, video_id)).clear()
        self._count(result)
        unit = self._unit_of.pop(video_id)
        self._failures[unit] += result.failures
        self._waiting[unit] -= 1
        if not self._waiting[unit]:
            self._finish(unit)

    def _ended(self, job: VideoJob) -> Failure:
        reason, detail = "crashed", "its process died; a damaged file can crash a codec"
        if took_note(self._spool / job.stall_note):
            reason, detail = "stalled", f"no frame for {job.stall_seconds:g} s; its process was ended"
        return Failure(job.source.video_id, "decode", reason, detail)

    def _count(self, result: VideoResult) -> None:
        self._report.videos_done += 1
        self._report.frames += result.frames_read
        self._report.stage_seconds.update(result.stage_seconds)
        self._report.failures.update(failure.reason for failure in result.failures)

    def _finish(self, unit: str) -> None:
        """All videos of the unit are spooled: it can be written."""
        self._held.check()
        job = UnitJob(
            unit=unit,
            url=self._config.url,
            namespace=self._config.set_namespace,
            sources=self._sources.pop(unit),
            failures=self._failures.pop(unit),
            max_shard_bytes=self._config.max_shard_bytes,
            max_shard_samples=self._config.max_shard_samples,
            facts=self._facts,
        )
        self._ready.append(Task(write_unit, (job, self._spool)))


def _manifest(config: PackConfig, layout: Layout, recipe: CropRecipe, units: list[str]) -> Manifest:
    """Read every committed index once more, and count what is there."""
    shards: list[FileEntry] = []
    indexes: list[FileEntry] = []
    ledgers: list[FileEntry] = []
    rows: list[SampleRow] = []
    failures: Counter[str] = Counter()
    for unit in units:
        name = index_name(unit)
        content = storage.read_bytes(storage.join(config.url, name))
        table = from_parquet(content, name)
        summary = summary_of(table, name)
        indexes.append(FileEntry(name, table.num_rows, len(content), hashlib.sha256(content).hexdigest()))
        shards += summary.shards
        ledgers.append(summary.failures)
        rows += to_rows(table)
        lines = storage.read_bytes(storage.join(config.url, summary.failures.name)).splitlines()
        failures.update(json.loads(line)["reason"] for line in lines)
    return Manifest(
        namespace=config.set_namespace,
        layout=layout.name,
        recipe=recipe,
        versions=versions(),
        occurrence_aus=layout.occurrence_aus,
        intensity_aus=layout.intensity_aus,
        totals=count_totals(rows, failures),
        shards=shards,
        indexes=indexes,
        failures=ledgers,
    )
