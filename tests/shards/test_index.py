from pathlib import Path

import pytest

from shards import storage
from shards.errors import ShardError
from shards.index import UnitSummary, from_parquet, read_index, read_table, summary_of, to_parquet, to_rows
from shards.schema import FileEntry
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


def test_a_unit_without_samples() -> None:
    table = from_parquet(to_parquet([], SUMMARY), "x")
    assert to_rows(table) == []
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
