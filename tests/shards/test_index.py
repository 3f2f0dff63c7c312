from dataclasses import replace
from pathlib import Path

import pytest

from shards import storage
from shards.errors import ShardError
from shards.index import (
    ROWS_PER_BATCH,
    UnitSummary,
    from_parquet,
    read_index,
    read_table,
    summary_of,
    to_parquet,
    to_rows,
    to_spans,
)
from shards.schema import FileEntry
from shards.totals import count_totals
from tests.drawn_set import write_set

SUMMARY = UnitSummary(
    [FileEntry("shards/u-000.tar", 1, 2, "3")], FileEntry("failures/u.jsonl", 0, 0, "4"), "AVX2"
)


def test_rows_come_back_and_bytes_are_equal(tmp_path: Path) -> None:
    manifest = write_set(str(tmp_path / "set"), tmp_path, labelled=True)
    rows = read_index(str(tmp_path / "set"), manifest)
    assert len(rows) == manifest.totals.samples
    content = to_parquet(rows, SUMMARY)
    assert content == to_parquet(rows, SUMMARY)
    table = from_parquet(content, "x")
    assert to_rows(table) == rows
    assert summary_of(table, "x") == SUMMARY
    assert count_totals(to_spans(table), {}) == count_totals(rows, {})


def test_many_rows_go_in_groups(tmp_path: Path) -> None:
    [row, *_] = read_index(str(tmp_path / "set"), write_set(str(tmp_path / "set"), tmp_path))
    rows = [replace(row, key=f"k-{number}") for number in range(2 * ROWS_PER_BATCH + 1)]
    assert to_rows(from_parquet(to_parquet(rows, SUMMARY), "x")) == rows


def test_a_unit_without_samples() -> None:
    table = from_parquet(to_parquet([], SUMMARY), "x")
    assert to_rows(table) == []
    assert list(to_spans(table)) == []
    assert summary_of(table, "x") == SUMMARY


def test_not_an_index() -> None:
    with pytest.raises(ShardError, match=r"x is not a parquet file.*pack the set again"):
        from_parquet(b"something", "x")


def test_another_index_than_the_manifest_s(tmp_path: Path) -> None:
    url = str(tmp_path / "set")
    manifest = write_set(url, tmp_path)
    name = storage.join(url, manifest.indexes[0].name)
    storage.write_bytes(name, storage.read_bytes(storage.join(url, manifest.indexes[1].name)))
    with pytest.raises(ShardError, match="sha256 differs"):
        read_table(url, manifest)
