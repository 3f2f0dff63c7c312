import dataclasses
import hashlib
from pathlib import Path

import pytest

from shards import storage
from shards.errors import ShardError
from shards.index import from_parquet, read_index, summary_of, to_parquet, to_rows
from shards.schema import MANIFEST_NAME, Manifest
from shards.verify import verify
from tests.drawn_set import write_set


@pytest.fixture
def url(any_url: str, tmp_path: Path) -> str:
    write_set(any_url, tmp_path / "tars", labelled=True)
    return any_url


def manifest_of(url: str) -> Manifest:
    return Manifest.from_json(storage.read_bytes(storage.join(url, MANIFEST_NAME)).decode(), url)


def damage(url: str, place: int, data: bytes) -> None:
    content = bytearray(storage.read_bytes(url))
    content[place : place + len(data)] = data
    storage.write_bytes(url, bytes(content))


def test_a_good_set_has_no_problems(url: str) -> None:
    seen: list[str] = []
    report = verify(url, on_file=seen.append)
    assert report.problems == []
    assert (report.samples, report.frames) == (12, 12 * 32)
    assert len(seen) == report.files == 3 + 3 + 3 + 1


def test_every_problem_is_reported(url: str) -> None:
    manifest = manifest_of(url)
    rows = read_index(url, manifest)
    first, second = manifest.shards[0].name, manifest.shards[1].name
    row = next(row for row in rows if row.shard == first)
    damage(storage.join(url, first), row.frame_offset[3] + 20, b"\0\0\0\0")
    storage.delete(storage.join(url, second))
    storage.write_bytes(storage.join(url, manifest.failures[0].name), b"no json\n")
    storage.write_bytes(storage.join(url, "shards/stray-000.tar"), b"x")
    problems = "\n".join(verify(url).problems)
    for wanted in (
        f"{first}: sha256 differs",
        f"{row.key}: frame 3: CRC differs",
        f"{row.key}: member {row.key}.mjpeg: CRC differs",
        f"{second}: missing",
        f"{manifest.failures[0].name}: 8 bytes, the manifest says 0",
        f"{manifest.failures[0].name}: 1 lines, the manifest says 0",
        "a line is no failure record",
        "shards/stray-000.tar: not in the manifest",
    ):
        assert wanted in problems


def test_a_shard_cut_short(url: str) -> None:
    name = manifest_of(url).shards[0].name
    content = storage.read_bytes(storage.join(url, name))
    storage.write_bytes(storage.join(url, name), content[: len(content) // 2])
    problems = "\n".join(verify(url).problems)
    assert f"{name}: {len(content) // 2} bytes" in problems
    assert "CRC differs" in problems


def test_an_empty_shard(url: str) -> None:
    name = manifest_of(url).shards[0].name
    storage.write_bytes(storage.join(url, name), b"")
    assert any(problem.startswith(f"{name}: 0 bytes") for problem in verify(url).problems)


def test_a_damaged_header_hides_members(url: str) -> None:
    manifest = manifest_of(url)
    row = [row for row in read_index(url, manifest) if row.shard == manifest.shards[0].name][1]
    damage(storage.join(url, row.shard), row.members[0].offset - 512, b"x" * 100)
    problems = "\n".join(verify(url).problems)
    assert f"no member {row.key}.mjpeg" in problems or "not a readable tar" in problems


def test_changed_totals(url: str) -> None:
    manifest = manifest_of(url)
    wrong = dataclasses.replace(manifest, totals=dataclasses.replace(manifest.totals, frames=1))
    storage.write_bytes(storage.join(url, MANIFEST_NAME), wrong.to_json().encode())
    assert "frames=1" in verify(url).problems[0]


def test_deep_looks_into_frames_facts_and_labels(tmp_path: Path) -> None:
    """The set is consistent, but its frames have another size than its recipe says."""
    url = str(tmp_path / "set")
    manifest = write_set(url, tmp_path / "tars", labelled=True)
    recipe = dataclasses.replace(manifest.recipe, size=64)
    other = dataclasses.replace(
        manifest, recipe=recipe, recipe_digest="", occurrence_aus=[1], expressions=["joy"]
    )
    storage.write_bytes(storage.join(url, MANIFEST_NAME), other.to_json().encode())
    assert verify(url).problems == []
    problems = "\n".join(verify(url, deep=True).problems)
    assert "frame 0 is (32, 32, 3), the recipe says (64, 64, 3)" in problems
    assert "occurrence.npy is int8 (32, 2)" in problems
    assert "expression 'happiness' is none of the manifest's ['joy']" in problems


def test_deep_compares_looks(tmp_path: Path) -> None:
    url = str(tmp_path / "set")
    manifest = write_set(url, tmp_path / "tars")
    entry = manifest.indexes[0]
    table = from_parquet(storage.read_bytes(storage.join(url, entry.name)), entry.name)
    first, *others = to_rows(table)
    rows = [dataclasses.replace(first, look=bytes(32)), *others]
    content = to_parquet(rows, summary_of(table, entry.name))
    digest = hashlib.sha256(content).hexdigest()
    changed = dataclasses.replace(entry, bytes=len(content), sha256=digest)
    other = dataclasses.replace(manifest, indexes=[changed, *manifest.indexes[1:]])
    storage.write_bytes(storage.join(url, entry.name), content)
    storage.write_bytes(storage.join(url, MANIFEST_NAME), other.to_json().encode())
    assert verify(url).problems == []
    assert verify(url, deep=True).problems == [
        f"{first.shard}: {first.key}: look differs between the first frame and index"
    ]


def test_no_set(any_url: str) -> None:
    with pytest.raises(ShardError, match=r"no manifest.json.*pack again"):
        verify(any_url)
