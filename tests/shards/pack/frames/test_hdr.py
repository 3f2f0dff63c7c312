"""Known colours as HDR signals, by the standards' formulas from light to signal, come back as they were."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.pack.frames.decode import read_frames
from shards.pack.frames.hdr import KNEE, TO_BT709, shown, tone_mapped, tone_mapped_luma
from tests.odd_videos import Form, encode

PQ, HLG, BT2020 = 16, 18, 9
SKINS = [(200, 130, 100), (150, 95, 70), (90, 60, 50), (45, 30, 25), (128, 128, 128), (20, 20, 20), (0, 0, 0)]


def linear(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    share = srgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def signal(srgb: tuple[int, int, int], transfer: int) -> NDArray[np.uint8]:
    """What an HDR camera stores of this colour, with white at 203 cd/m2."""
    nits = np.maximum(np.linalg.inv(TO_BT709.astype(float)) @ linear(np.array(srgb, float)), 0) * 203
    if transfer == PQ:
        power = (nits / 10_000) ** 0.1593017578125
        share = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        scene = (nits / 1000) ** (1 / 1.2)
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        share = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
    return np.round(255 * share).astype(np.uint8)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("srgb", SKINS)
def test_skin_keeps_its_colour(srgb: tuple[int, int, int], transfer: int) -> None:
    stored = np.tile(signal(srgb, transfer), (2, 3, 1))
    bright = linear(np.array(srgb, float)).max() > KNEE  # there, and only there, light is bent
    np.testing.assert_allclose(
        tone_mapped(stored, transfer)[1, 2].astype(int), srgb, atol=12 if bright else 2
    )


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_more_light_is_never_darker(transfer: int) -> None:
    ramp = np.arange(256, dtype=np.uint8)
    limited = tone_mapped_luma(ramp[None], transfer, limited=True)[0].astype(int)
    luma = tone_mapped_luma(ramp[None], transfer, limited=False)[0].astype(int)
    for table in (luma, limited):
        assert (np.diff(table) >= 0).all()
        assert (table[0], table[-1]) == (0, 255)
    assert (limited[16], limited[235]) == (0, 255)
    grey = tone_mapped(np.repeat(ramp[None, :, None], 3, axis=2), transfer)[0, :, 1].astype(int)
    np.testing.assert_allclose(grey, luma, atol=2)
    assert shown(np.array([1.0]))[0] > 190  # paper is light, and there is room above it


@pytest.mark.parametrize(
    ("transfer", "codec", "pixel_format"),
    [
        (PQ, "libx264", "yuv420p10le"),
        (HLG, "libx264", "yuv420p10le"),
        (HLG, "libx264", "yuv420p"),
        # libx265 of these wheels gives packets that MP4's writer refuses, now and then; AV1 is another way.
        (PQ, "libsvtav1", "yuv420p10le"),
    ],
)
def test_an_hdr_video(tmp_path: Path, transfer: int, codec: str, pixel_format: str) -> None:
    srgb = (150, 95, 70)
    picture = np.tile(signal(srgb, transfer), (96, 96, 1))
    options = {"crf": "1"}
    form = Form(
        codec, pixel_format, options, matrix=BT2020, colour_range=1, transfer=transfer, primaries=BT2020
    )
    (frame,) = read_frames(encode(tmp_path / "hdr.mp4", [picture], form), 96, lambda *_: None)
    np.testing.assert_allclose(frame.standard(frame.rgb_HWC)[48, 48].astype(int), srgb, atol=6)
    wanted_luma = np.dot(srgb, (0.2126, 0.7152, 0.0722))
    assert int(frame.small_HW[48, 48]) == pytest.approx(wanted_luma, abs=8)
