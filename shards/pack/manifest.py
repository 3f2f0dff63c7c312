"""The manifest of a set whose units are all committed."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from shards import storage
from shards.index import Span, UnitSummary, from_parquet, summary_of, to_spans
from shards.layouts.layout import Layout
from shards.pack.job import PackConfig, versions
from shards.pack.units import Unit
from shards.reach import Reach, write_reach
from shards.runs import reach_of
from shards.schema import CropRecipe, FileEntry, Manifest, index_name
from shards.totals import count_totals

UNITS_AT_ONCE = 32
"""Read from the store beside one another: each takes two answers, and a large set has thousands."""


def make_manifest(config: PackConfig, layout: Layout, recipe: CropRecipe, units: list[Unit]) -> Manifest:
    """Read every committed index once more, and count what is there."""
    committed = _Committed(config.url)
    totals = count_totals(committed.rows(units), committed.failures)
    return Manifest(
        namespace=config.set_namespace,
        layout=layout.name,
        recipe=recipe,
        versions=versions(),
        cpus=sorted(committed.cpus),
        occurrence_aus=layout.occurrence_aus,
        intensity_aus=layout.intensity_aus,
        expressions=layout.expressions,
        totals=totals,
        shards=committed.shards,
        indexes=committed.indexes,
        failures=committed.ledgers,
        reach=write_reach(config.url, committed.reach),
    )


@dataclass(frozen=True)
class _Read:
    """A committed unit."""

    index: FileEntry
    summary: UnitSummary
    table: Any
    reasons: list[str]


@dataclass
class _Committed:
    """What the units say of themselves; complete when all rows were taken."""

    url: str
    shards: list[FileEntry] = field(default_factory=list)
    indexes: list[FileEntry] = field(default_factory=list)
    ledgers: list[FileEntry] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    cpus: set[str] = field(default_factory=set)
    reach: list[Reach] = field(default_factory=list)

    def rows(self, units: list[Unit]) -> Iterator[Span]:
        """All rows, unit by unit; only a few units are in memory."""
        with ThreadPoolExecutor(UNITS_AT_ONCE) as pool:
            for first in range(0, len(units), UNITS_AT_ONCE):
                for unit in pool.map(self._read, units[first : first + UNITS_AT_ONCE]):
                    self.indexes.append(unit.index)
                    self.shards += unit.summary.shards
                    self.ledgers.append(unit.summary.failures)
                    self.cpus.add(unit.summary.cpu)
                    self.failures.update(unit.reasons)
                    spans = list(to_spans(unit.table))
                    self.reach.append(reach_of(spans))
                    yield from spans

    def _read(self, unit: Unit) -> _Read:
        name = index_name(unit.name)
        content = storage.read_bytes(storage.join(self.url, name))
        table = from_parquet(content, name)
        summary = summary_of(table, name)
        lines = storage.read_bytes(storage.join(self.url, summary.failures.name)).splitlines()
        entry = FileEntry(name, table.num_rows, len(content), hashlib.sha256(content).hexdigest())
        return _Read(entry, summary, table, [json.loads(line)["reason"] for line in lines])
