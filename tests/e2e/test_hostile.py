"""Whatever lies in a folder, packing goes to its end and every file gives tracks or says why not."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from shards import storage
from shards.index import read_index
from shards.pack.pack import PackConfig, pack
from shards.schema import Manifest
from shards.verify import verify
from tests.clips import face_frames, write_video
from tests.hostile_files import write_hostile_files


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    folder = tmp_path_factory.mktemp("hostile") / "files"
    return folder, write_hostile_files(folder)


def packed(source: Path, url: Path, workers: int) -> Manifest:
    config = PackConfig(
        str(source),
        str(url),
        "folder",
        size=48,
        workers=workers,
        stall_seconds=20,
        spool=url.with_suffix(".spool"),
    )
    return pack(config)


def ledger(url: str, manifest: Manifest) -> list[dict[str, str]]:
    return [
        json.loads(line)
        for entry in manifest.failures
        for line in storage.read_bytes(storage.join(url, entry.name)).splitlines()
    ]


def test_over_200_hostile_files_are_all_accounted_for(
    hostile: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    folder, names = hostile
    assert len(names) > 200
    url = str(tmp_path / "set")
    manifest = packed(folder, tmp_path / "set", workers=2)
    assert verify(url, deep=True).problems == []
    with_tracks = {row.video for row in read_index(url, manifest)}
    lines = ledger(url, manifest)
    in_ledger = {line["source"] for line in lines}
    ids = {name.decode("utf-8", "backslashreplace") for name in names}
    assert sorted(ids - with_tracks - in_ledger) == []
    assert sorted((with_tracks | in_ledger) - ids) == []
    assert {"crashed", "stalled", "out_of_memory"}.isdisjoint(manifest.totals.failures)
    # Most are damaged only in part, and what is whole in them is used.
    assert len(with_tracks) > 100
    assert all(line["detail"] for line in lines)
    assert not any(str(folder) in line["detail"] for line in lines)
    # Again, elsewhere, with another number of processes and another name of the folder.
    moved = folder.rename(folder.with_name("moved"))
    assert packed(moved, tmp_path / "again", workers=1).digest == manifest.digest
    moved.rename(folder)


def test_a_crowd(tmp_path: Path) -> None:
    """40 faces of 40 pixels in the picture that is searched are followed; 300 too small ones are no error."""
    face = [frame[:, 16:160] for frame in face_frames(10)]
    for name, rows, columns in (("forty.mp4", 5, 8), ("hundreds.mp4", 15, 20)):
        write_video(tmp_path / "in" / name, [np.tile(frame, (rows, columns, 1)) for frame in face])
    manifest = packed(tmp_path / "in", tmp_path / "set", workers=2)
    tracks = Counter(row.video for row in read_index(str(tmp_path / "set"), manifest))
    assert 35 <= tracks["forty.mp4"] <= 45
    in_ledger = {line["source"] for line in ledger(str(tmp_path / "set"), manifest)}
    assert "hundreds.mp4" in tracks.keys() | in_ledger
    assert {"crashed", "stalled", "out_of_memory"}.isdisjoint(manifest.totals.failures)
