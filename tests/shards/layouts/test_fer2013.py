import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.fer2013 import SIDE, grey_png, main, parse_pixels, unpack
from shards.layouts.ferplus import CHOICES, FerplusLayout
from shards.pack.frames.source import decode_image

RANDOM = np.random.default_rng(0)
PICTURES = [RANDOM.integers(0, 256, (SIDE, SIDE), np.uint8) for _ in range(4)]
ROWS = [
    ("Training", "fer0000000.png"),
    ("PublicTest", "fer0000001.png"),
    ("PrivateTest", ""),
    ("Training", "fer0000000.png"),
]
JOY = ",".join(str(10 * (choice == "happiness")) for choice in CHOICES)


def text_of(picture_HW: NDArray[np.uint8]) -> str:
    return " ".join(map(str, picture_HW.ravel().tolist()))


def write_csv(root: Path, header: str = "emotion,pixels,Usage") -> None:
    columns = [name.strip() for name in header.split(",")]
    lines = [header]
    for (part, _), picture_HW in zip(ROWS, PICTURES, strict=True):
        cells = {"emotion": "3", "pixels": text_of(picture_HW), "Usage": part}
        lines.append(",".join(cells[column] for column in columns))
    (root / "fer2013.csv").write_text("".join(f"{line}\n" for line in lines))
    names = [f"{part},{name},{JOY}" for part, name in ROWS]
    header = ",".join(["Usage", "Image name", *CHOICES])
    (root / "fer2013new.csv").write_text("".join(f"{line}\n" for line in [header, *names]))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_png_keeps_every_pixel(height: int, width: int, seed: int) -> None:
    grey_HW = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    content = np.frombuffer(grey_png(grey_HW), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), grey_HW)


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, Usage, pixels"])
def test_pictures_are_the_numbers(tmp_path: Path, header: str) -> None:
    write_csv(tmp_path, header)
    found = unpack(tmp_path)
    assert (found.written, found.there, found.without_name, found.twice) == (2, 0, 1, 1)
    for name, picture_HW in (("Train/fer0000000.png", PICTURES[0]), ("Valid/fer0000001.png", PICTURES[1])):
        rgb_HWC = decode_image(tmp_path / f"FER2013{name}")
        np.testing.assert_array_equal(rgb_HWC, np.repeat(picture_HW[:, :, None], 3, axis=2))
    listing = FerplusLayout().list_sources(tmp_path)
    assert [source.expression for source in listing.sources] == ["happiness"] * 2
    assert unpack(tmp_path).there == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3", r"here: wanted 2304 grey values, found 3 values like '1 2 3'"),
        (" ".join(["256"] * SIDE * SIDE), "here: wanted grey values from 0 to 255, found 256"),
        (" ".join(["-1"] * SIDE * SIDE), "here: wanted 2304 grey values, found 2304 values like '-1 -1"),
    ],
)
def test_numbers_that_are_no_picture(text: str, says: str) -> None:
    with pytest.raises(ShardError, match=says):
        parse_pixels(text, "here")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_csv(tmp_path)
    path = tmp_path / "fer2013new.csv"
    whole = path.read_text()
    path.write_text(whole.replace("PublicTest", "Training"))
    with pytest.raises(ShardError, match=r"fer2013\.csv, line 3 is of 'PublicTest', fer2013new\.csv, line 3"):
        unpack(tmp_path)
    path.write_text("\n".join(whole.splitlines()[:-1]))
    with pytest.raises(ShardError, match=r"fer2013\.csv, line 5 has no equal in the other file"):
        unpack(tmp_path)
    path.write_text(whole.replace("fer0000001.png", "../../x.png"))
    with pytest.raises(ShardError, match=r"line 3: wanted a name like fer0000000\.png, found '\.\./\.\./x"):
        unpack(tmp_path)
    path.unlink()
    with pytest.raises(ShardError, match=r"there is no fer2013new\.csv in"):
        unpack(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(tmp_path)
    assert main([str(tmp_path)]) == 0
    assert "2 pictures written, 0 were there" in capsys.readouterr().out
    assert main([]) == 2
    assert main([str(tmp_path / "nothing")]) == 2
    assert "there is no fer2013.csv in" in capsys.readouterr().err
    command = [sys.executable, "-m", "shards.layouts.fer2013", str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "0 pictures written, 2 were there" in said
