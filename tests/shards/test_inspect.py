from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import simplejpeg

from shards import storage
from shards.errors import ShardError
from shards.index import open_set, to_rows
from shards.inspect import _tile, contact_sheet, sample_video
from tests.drawn_set import write_set


@pytest.fixture
def url(any_url: str, tmp_path: Path) -> str:
    write_set(any_url, tmp_path / "tars", labelled=True)
    return any_url


def test_a_sheet_shows_the_faces(url: str, tmp_path: Path) -> None:
    assert contact_sheet(url, tmp_path / "sheet.png", tracks=7) == 7
    sheet_HWC = cv2.imread(str(tmp_path / "sheet.png"))
    _, table = open_set(url)
    row = to_rows(table)[0]
    place = row.num_frames // 2
    data = storage.read_range(storage.join(url, row.shard), row.frame_offset[place], row.frame_length[place])
    background = simplejpeg.decode_jpeg(data)[0, 0, ::-1].astype(int)
    near_HW = (np.abs(sheet_HWC.astype(int) - background) < 12).all(axis=2)
    assert near_HW.mean() > 0.02  # the first of 7 faces
    assert 0.2 < (sheet_HWC < 250).any(axis=2).mean() < 0.95  # neither blank nor without margins


def test_a_tile_says_what_the_set_says(url: str) -> None:
    manifest, table = open_set(url)
    tile = _tile(url, manifest, to_rows(table)[0])
    assert tile.caption.splitlines()[0].startswith("person")
    assert "score 0.90" in tile.caption
    assert "AU1:" in tile.caption
    # Landmarks lie where the crop's template wants them.
    assert tile.landmarks_52.mean(axis=0) == pytest.approx([0.5 * 32, 0.5 * 32])


def test_a_sample_as_video(url: str, tmp_path: Path) -> None:
    key = f"{5:016x}-000-000"
    assert sample_video(url, key, tmp_path / "one.mp4") == 32
    with av.open(str(tmp_path / "one.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate or 0) == 25
    _, table = open_set(url)
    row = next(row for row in to_rows(table) if row.key == key)
    content = storage.read_bytes(storage.join(url, row.shard))
    first = simplejpeg.decode_jpeg(content[row.frame_offset[0] : row.frame_offset[0] + row.frame_length[0]])
    assert len(frames) == 32
    assert np.abs(frames[0].astype(int) - first).mean() < 12


def test_an_unknown_sample_is_refused_with_names(url: str, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"has no sample 'x'; it has 0000000000000000-000-000, "):
        sample_video(url, "x", tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
