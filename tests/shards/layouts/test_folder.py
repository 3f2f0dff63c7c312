import os
import socket
from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.folder import FolderLayout
from tests.rights import unprivileged, unprivileged_folder


def test_the_first_level_is_the_person(tmp_path: Path) -> None:
    for name in ("ann/1.mp4", "ann/deep/2.MOV", "bob/1.mp4", "alone.avi", "bob/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = FolderLayout().list_sources(tmp_path)
    assert {source.video_id: source.identity for source in listing.sources} == {
        "alone.avi": None,
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


def test_what_is_no_readable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob/1.mp4").touch()
    (tmp_path / "ann").symlink_to("bob")
    (tmp_path / "bob/up").symlink_to("..")
    (tmp_path / "lost.mp4").symlink_to("nowhere")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "linked.mp4").symlink_to("bob/1.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "full.mp4").mkdir()
    (tmp_path / "full.mp4/2.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket.mp4"))
    listing = FolderLayout().list_sources(tmp_path)
    assert [source.video_id for source in listing.sources] == ["bob/1.mp4", "full.mp4/2.mp4", "linked.mp4"]
    assert {failure.source: failure.reason for failure in listing.failures} == {
        "ann": "not_followed",
        "bob/up": "not_followed",
        "lost.mp4": "not_readable",
        "loop.mp4": "not_readable",
        "folder.mp4": "not_a_file",
        "pipe.mp4": "not_a_file",
        "socket.mp4": "not_a_file",
    }


def test_what_may_not_be_read_is_told() -> None:
    with unprivileged_folder() as root:
        for name in ("open.mp4", "shut.mp4", "folder/x.mp4"):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).touch()
        (root / "shut.mp4").chmod(0)
        (root / "folder").chmod(0)
        with unprivileged():
            listing = FolderLayout().list_sources(root)
        (root / "folder").chmod(0o700)
    assert [source.video_id for source in listing.sources] == ["open.mp4"]
    assert {(failure.source, failure.reason) for failure in listing.failures} == {
        ("shut.mp4", "not_readable"),
        ("folder", "not_readable"),
    }


def test_names_that_are_no_text_have_ids_that_are(tmp_path: Path) -> None:
    for name in (b"caf\xe9/caf\xe9.mp4", "caf\u00e9/\u2603 a\nb.mp4".encode(), b"\xff.txt"):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    listing = FolderLayout().list_sources(tmp_path)
    assert {source.video_id: source.identity for source in listing.sources} == {
        "caf\\xe9/caf\\xe9.mp4": "caf\\xe9",
        "caf\u00e9/\u2603 a\nb.mp4": "caf\u00e9",
    }
    assert [failure.source for failure in listing.failures] == ["\\xff.txt"]
    for text in (source.video_id for source in listing.sources):
        text.encode()
