from pathlib import Path

import numpy as np

from shards.pack.frames import decode_image
from shards.synthetic.writers.pictures import write_picture, write_pictures

FRAMES = [np.full((16, 16, 3), 40 * number, np.uint8) for number in range(1, 5)]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    left = tmp_path / "T1.partial"
    left.mkdir()
    (left / "9999.jpg").touch()
    write_pictures(tmp_path / "T1", FRAMES, "{:04d}.jpg", frozenset([2]))
    assert sorted(path.name for path in (tmp_path / "T1").iterdir()) == ["0001.jpg", "0003.jpg", "0004.jpg"]
    assert abs(int(decode_image(tmp_path / "T1/0003.jpg")[0, 0, 0]) - 120) < 4
    assert not left.exists()


def test_a_single_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a/x.jpg", FRAMES)
    assert decode_image(tmp_path / "a/x.jpg").shape == (16, 16, 3)
