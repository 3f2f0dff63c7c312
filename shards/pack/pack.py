"""A data set of videos into a shard set.

Videos are worked on by a pool of processes and spooled locally; when all videos of a unit are there, the
unit is written, uploaded and committed by its index. No state crosses units: what a unit holds depends on
its own videos only, so that any number of processes gives the same bytes and a killed pack goes on with the
units that have no index. The manifest comes last.
"""

from typing import Any, Protocol

from shards import storage
from shards.layouts.layout import Layout
from shards.layouts.registry import get_layout, list_sources
from shards.pack.duplicates import without_copies
from shards.pack.faces.detect import Detector
from shards.pack.faces.plugins import get_detector
from shards.pack.job import PackConfig as PackConfig
from shards.pack.job import claim, describe, recipe_of
from shards.pack.lease import lease
from shards.pack.manifest import make_manifest
from shards.pack.origin import Origin, open_origin
from shards.pack.pool import local_pool
from shards.pack.progress import Progress as Progress
from shards.pack.progress import Tell
from shards.pack.run import Packing, SetWork
from shards.pack.units import Unit, assign
from shards.schema import MANIFEST_NAME, CropRecipe, Manifest, index_name


class Workplace(Protocol):
    """Where units are packed: on this machine, or on those of a cluster."""

    def detector(self, name: str) -> Detector:
        """What finds faces there: part of the crop recipe."""
        ...

    def pack_units(
        self, work: SetWork, units: list[Unit], origin: Origin, progress: Progress, tell: Tell
    ) -> None:
        """Write all of `units`; what was done is counted in `progress`."""
        ...


class ThisMachine:
    """A pool of processes here."""

    def detector(self, name: str) -> Detector:
        return get_detector(name)

    def pack_units(
        self, work: SetWork, units: list[Unit], origin: Origin, progress: Progress, tell: Tell
    ) -> None:
        with local_pool(work.config.workers, work.config.spool) as pool:
            Packing(work, pool, progress, tell).run(units, origin)


HERE = ThisMachine()


def pack(config: PackConfig, progress: Tell | None = None, workplace: Workplace = HERE) -> Manifest:
    """Pack `config.source` to `config.url`, or what of it is missing there.

    `progress` is called after every video and unit.

    Raises:
        ShardError: the source has not this layout, the url holds another set, the store does not answer.
    """
    tell = progress or (lambda _: None)
    layout = get_layout(config.layout)
    with open_origin(config.source, config.spool) as origin:
        listing = without_copies(list_sources(layout, origin.root), origin, config.drop_copies)
        recipe = recipe_of(config, workplace.detector(config.detector))
        target = storage.join(config.url, MANIFEST_NAME)
        finished = storage.exists(target)
        claim(config.url, describe(config, layout, listing, origin, recipe), finished)
        units = assign(listing, origin, config.set_namespace, config.videos_per_unit)
        report = Progress(len(listing.sources), sum(unit.bytes for unit in units))
        if finished:
            report.videos_done, report.bytes_done = report.videos, report.source_bytes
            report.note = "finished before; nothing to do"
            tell(report)
            return Manifest.from_json(storage.read_bytes(target).decode(), target)

        def note(line: str) -> None:
            report.note = line
            tell(report)

        with lease(config.url, note) as held:
            committed = set(storage.list_names(config.url))
            missing = [unit for unit in units if index_name(unit.name) not in committed]
            done = [unit for unit in units if index_name(unit.name) in committed]
            report.videos_done = sum(len(unit.sources) for unit in done)
            report.bytes_done = sum(unit.bytes for unit in done)
            note(f"goes on with {len(missing)} of {len(units)} units" if done else "")
            work = SetWork(config, _facts(layout, recipe), held)
            workplace.pack_units(work, missing, origin, report, tell)
            manifest = make_manifest(config, layout, recipe, units)
            held.check()
            storage.write_bytes(target, manifest.to_json().encode())
    return manifest


def _facts(layout: Layout, recipe: CropRecipe) -> dict[str, Any]:
    return {
        "recipe_digest": recipe.digest,
        "occurrence_aus": layout.occurrence_aus,
        "intensity_aus": layout.intensity_aus,
    }
