"""A known colour through every way to store it."""

from pathlib import Path

import numpy as np
import pytest

from shards.pack.frames.decode import DecodedFrame, read_frames
from tests.odd_videos import LOSSLESS_X264, Form, encode

SKIN = (200, 130, 100)
UNTAGGED, BT709, RESERVED, BT601_625, BT601_525, YCGCO, BT2020, BT2020_CONSTANT = 2, 1, 3, 5, 6, 8, 9, 10
LIMITED, FULL = 1, 2


def first(folder: Path, suffix: str, form: Form, shape: tuple[int, int] = (64, 64)) -> DecodedFrame:
    picture = np.full((*shape, 3), SKIN, np.uint8)
    path = encode(folder / f"skin{suffix}", [picture] * 2, form)
    frame, _ = read_frames(path, 64, lambda *_: None)
    return frame


@pytest.mark.parametrize("matrix", [BT709, BT601_625, BT601_525, BT2020])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_the_stream_s_own_tags_are_followed(
    tmp_path: Path, matrix: int, colour_range: int, pixel_format: str
) -> None:
    form = Form(pixel_format=pixel_format, matrix=matrix, colour_range=colour_range)
    frame = first(tmp_path, ".mp4", form)
    np.testing.assert_allclose(frame.rgb_HWC[32, 32].astype(int), SKIN, atol=3)


@pytest.mark.parametrize("tag", [UNTAGGED, RESERVED, YCGCO, BT2020_CONSTANT])
@pytest.mark.parametrize(("shape", "meant"), [((576, 720), BT601_525), ((720, 1280), BT709)])
def test_untagged_is_by_its_size(tmp_path: Path, tag: int, shape: tuple[int, int], meant: int) -> None:
    """The samples are those of `meant`, the tag says nothing of use."""
    picture = np.full((*shape, 3), SKIN, np.uint8)
    told = first(tmp_path, ".mp4", Form(matrix=meant, colour_range=LIMITED), shape)
    path = encode(tmp_path / "untagged.mp4", [picture], Form(matrix=meant, tagged=tag, colour_range=LIMITED))
    (frame,) = read_frames(path, 64, lambda *_: None)
    np.testing.assert_array_equal(frame.rgb_HWC[32, 32], told.rgb_HWC[32, 32])
    np.testing.assert_allclose(frame.rgb_HWC[32, 32].astype(int), SKIN, atol=3)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix", "options"),
    [
        ("libx264", "yuv422p10le", ".mp4", LOSSLESS_X264),
        ("ffv1", "yuv420p12le", ".mkv", {}),
        ("libx264rgb", "rgb24", ".mkv", LOSSLESS_X264),
        ("libvpx-vp9", "yuva420p", ".webm", {"crf": "4", "b": "0"}),
        ("prores_ks", "yuv422p10le", ".mov", {}),
        ("prores_ks", "yuva444p10le", ".mov", {}),
        ("png", "rgba", ".mov", {}),
        ("ffv1", "gbrp10le", ".mkv", {}),
        ("ffv1", "gbrap12le", ".mkv", {}),
        ("qtrle", "argb", ".mov", {}),
    ],
)
def test_deep_transparent_and_rgb_formats(
    tmp_path: Path, codec: str, pixel_format: str, suffix: str, options: dict[str, str]
) -> None:
    frame = first(tmp_path, suffix, Form(codec, pixel_format, options))
    np.testing.assert_allclose(frame.rgb_HWC[32, 32].astype(int), SKIN, atol=3)
    assert int(frame.small_HW[32, 32]) == pytest.approx(146, abs=6)


@pytest.mark.parametrize(
    ("codec", "pixel_format"), [("png", "gray"), ("png", "gray16be"), ("ffv1", "gray10le"), ("gif", "rgb8")]
)
def test_grey_and_palette(tmp_path: Path, codec: str, pixel_format: str) -> None:
    frame = first(
        tmp_path, {"gif": ".gif", "png": ".mov", "ffv1": ".mkv"}[codec], Form(codec, pixel_format, {})
    )
    colour = frame.rgb_HWC[32, 32].astype(int)
    assert np.dot(colour, (0.299, 0.587, 0.114)) == pytest.approx(148, abs=12)
    if codec != "gif":
        assert np.ptp(colour) == 0
