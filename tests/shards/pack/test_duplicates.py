from pathlib import Path

import pytest

from shards.layouts.folder import FolderLayout
from shards.pack.duplicates import without_copies
from shards.pack.origin import SAMPLED_BYTES, LocalOrigin


@pytest.fixture
def root(tmp_path: Path) -> Path:
    long = bytes(3 * SAMPLED_BYTES)
    other = long[: SAMPLED_BYTES + 9] + b"x" + long[SAMPLED_BYTES + 10 :]
    contents = {"a": b"one", "b": b"two", "c": b"one", "d": b"one", "e": long, "f": other, "g": b"", "h": b""}
    for name, content in contents.items():
        (tmp_path / f"{name}.mp4").write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("drop", [False, True])
def test_copies_are_named_and_can_be_left_out(root: Path, drop: bool) -> None:
    found = FolderLayout().list_sources(root)
    listing = without_copies(found, LocalOrigin(root), drop)
    lines = [*listing.failures, *(line for source in listing.sources for line in source.failures)]
    assert {(line.source, line.reason, line.detail) for line in lines} == {
        ("c.mp4", "copy", "the same bytes as a.mp4"),
        ("d.mp4", "copy", "the same bytes as a.mp4"),
    }
    kept = "abefgh" if drop else "abcdefgh"
    assert [source.video_id for source in listing.sources] == [f"{name}.mp4" for name in kept]
