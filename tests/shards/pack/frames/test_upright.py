"""Display matrices and pixel shapes, against the pixel-by-pixel reading of their definition."""

import itertools
import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from shards.pack.frames.decode import DecodedFrame, read_frames
from shards.pack.frames.upright import Upright, pixel_aspect
from tests.odd_videos import Form, encode, patched_matrix

RIGHT_ANGLES = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [
    (0, b, c, 0) for b in (1, -1) for c in (1, -1)
]


def quarters() -> np.ndarray:
    """96x160 in RGB: four quarters of different brightness, so that each of the 8 ways to lie is another."""
    picture = np.zeros((96, 160, 3), np.uint8)
    for number, (row, column) in enumerate(itertools.product((0, 48), (0, 80))):
        picture[row : row + 48, column : column + 80] = 40 + 60 * number
    return picture


def first(path: Path, long_side: int = 80) -> DecodedFrame:
    told: list[object] = []
    frame = next(read_frames(path, long_side, lambda *words: told.append(words)))
    assert told == []
    return frame


def shown_by_definition(stored_HWC: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    a, b, c, d = matrix
    y, x = np.mgrid[: stored_HWC.shape[0], : stored_HWC.shape[1]]
    column, row = (a * x + c * y).round().astype(int), (b * x + d * y).round().astype(int)
    column, row = column - column.min(), row - row.min()
    shown = np.zeros((row.max() + 1, column.max() + 1, 3), np.uint8)
    shown[row, column] = stored_HWC
    return shown


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("upright") / "plain.mp4", [quarters()], Form())


@pytest.mark.parametrize("matrix", RIGHT_ANGLES)
def test_all_eight_ways_to_lie(plain: Path, tmp_path: Path, matrix: tuple[float, ...]) -> None:
    frame = first(patched_matrix(plain, tmp_path / "turned.mp4", list(matrix)))
    wanted = shown_by_definition(first(plain).rgb_HWC, matrix)
    np.testing.assert_array_equal(frame.rgb_HWC, wanted)
    small = cv2.resize(wanted[..., 0], frame.small_HW.shape[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(frame.small_HW.astype(int), 16 + small * (219 / 255), atol=4)


@pytest.mark.parametrize(("degrees", "turns"), [(20, 0), (-44, 0), (60, 1), (120, 1), (170, 2), (-100, 3)])
def test_other_angles_go_to_the_nearest_quarter_turn(
    plain: Path, tmp_path: Path, degrees: float, turns: int
) -> None:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    frame = first(patched_matrix(plain, tmp_path / "turned.mp4", [cos, -sin, sin, cos]))
    np.testing.assert_array_equal(frame.rgb_HWC, np.rot90(first(plain).rgb_HWC, turns))


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(2, 3)])
@pytest.mark.parametrize("turned", [False, True])
def test_what_was_round_is_round_again(tmp_path: Path, aspect: Fraction, turned: bool) -> None:
    square = np.zeros((180, 240, 3), np.uint8)
    cv2.circle(square, (120, 90), 60, (255, 255, 255), -1)
    squeezed = (180, 180) if aspect > 1 else (240, 120)  # as stored: fewer columns, or fewer rows
    stored = cv2.resize(square, squeezed, interpolation=cv2.INTER_AREA)
    path = encode(tmp_path / "wide.mp4", [stored], Form(pixel_aspect=aspect))
    if turned:
        path = patched_matrix(path, tmp_path / "turned.mp4", [0, 1, -1, 0])
    frame = first(path)
    assert frame.rgb_HWC.shape[:2] == ((240, 180) if turned else (180, 240))
    for picture, scale in ((frame.rgb_HWC[..., 1], 1.0), (frame.small_HW, frame.scale)):
        rows, columns = np.nonzero(picture > 128)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert (height, width) == pytest.approx((121 * scale, 121 * scale), abs=2)


@pytest.mark.parametrize("stored", [None, Fraction(0), Fraction(1, 65535), Fraction(65535, 1), Fraction(-1)])
def test_pixel_shapes_of_no_camera_are_square(stored: Fraction | None) -> None:
    assert pixel_aspect(stored) == 1.0


def test_plain_pixels_are_not_copied() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    assert Upright().show(pixels) is pixels
