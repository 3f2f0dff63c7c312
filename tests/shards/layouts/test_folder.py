from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.folder import FolderLayout


def test_the_first_level_is_the_person(tmp_path: Path) -> None:
    for name in ("ann/1.mp4", "ann/deep/2.MOV", "bob/1.mp4", "alone.avi", "bob/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = FolderLayout().list_sources(tmp_path)
    assert {source.video_id: source.identity for source in listing.sources} == {
        "alone.avi": "alone.avi",
        "ann/1.mp4": "ann",
        "ann/deep/2.MOV": "ann",
        "bob/1.mp4": "bob",
    }
    assert [(failure.source, failure.reason) for failure in listing.failures] == [
        ("bob/notes.txt", "unknown_file")
    ]


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    with pytest.raises(ShardError, match=r"no videos under .*\.mp4.* found 1 other files"):
        FolderLayout().list_sources(tmp_path)
