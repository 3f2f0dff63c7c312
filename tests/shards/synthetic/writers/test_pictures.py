from pathlib import Path

import numpy as np

from shards.pack.frames.source import decode_image
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


def test_names_may_count_from_0(tmp_path: Path) -> None:
    write_pictures(tmp_path / "SN001", FRAMES, "{1}.jpg", frozenset([2]))
    assert sorted(path.name for path in (tmp_path / "SN001").iterdir()) == ["0.jpg", "2.jpg", "3.jpg"]


def test_a_small_grey_picture(tmp_path: Path) -> None:
    half = np.zeros((96, 96, 3), np.uint8)
    half[:, 48:, 1] = 200
    write_picture(tmp_path / "x.png", [half])
    rgb_HWC = decode_image(tmp_path / "x.png")
    assert rgb_HWC.shape == (48, 48, 3)
    assert np.unique(rgb_HWC[:, :24]).tolist() == [0]
    assert np.unique(rgb_HWC[:, 24:]).tolist() == [117]  # green counts .587


def test_a_single_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a/x.jpg", FRAMES)
    assert decode_image(tmp_path / "a/x.jpg").shape == (16, 16, 3)
