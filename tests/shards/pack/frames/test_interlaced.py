from pathlib import Path

import av
import numpy as np
import pytest

from shards.pack.frames.decode import DecodedFrame, read_frames
from shards.pack.frames.interlaced import Deinterlacer
from tests.odd_videos import LOSSLESS_X264, Form, encode

FIELDS = {**LOSSLESS_X264, "x264-params": "tff=1"}


def bar(step: float) -> np.ndarray:
    """A light bar, 8 pixels further with every step."""
    picture = np.full((96, 160, 3), 40, np.uint8)
    left = round(10 + 8 * step)
    picture[:, left : left + 24] = 220
    return picture


def woven(count: int) -> list[np.ndarray]:
    """Pictures whose odd rows were taken half a step after the even ones: teeth of 4 pixels at every edge."""
    pictures = [bar(step) for step in range(count)]
    for step, picture in enumerate(pictures):
        picture[1::2] = bar(step + 0.5)[1::2]
    return pictures


def read(path: Path) -> list[DecodedFrame]:
    return list(read_frames(path, 160, lambda *_: None))


def comb(frame: DecodedFrame) -> float:
    """Mean difference of neighbouring rows: none in this picture of columns, but for woven fields."""
    return float(np.abs(np.diff(frame.rgb_HWC[..., 1].astype(int), axis=0)).mean())


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_fields_are_no_comb(tmp_path: Path, codec: str) -> None:
    options = FIELDS if codec == "libx264" else {"flags": "+ildct+ilme", "q:v": "2", "b": "8M"}
    path = encode(tmp_path / "fields.mkv", woven(10), Form(codec, options=options))
    frames = read(path)
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.time_seconds for frame in frames] == pytest.approx([step / 25 for step in range(10)])
    progressive = read(encode(tmp_path / "whole.mkv", woven(10), Form()))
    assert comb(progressive[5]) > 4  # what would be seen without
    for pictures in ([frame.rgb_HWC[..., 1] for frame in frames], [frame.small_HW for frame in frames]):
        edges = [np.nonzero(picture.mean(axis=0) > 130)[0][[0, -1]] for picture in pictures[1:-1]]
        shift = edges[0] - (18, 41)
        assert shift[0] in range(-1, 6)  # one field's moment, whichever the file names first, throughout
        np.testing.assert_allclose(
            edges, [shift + np.array([10, 33]) + 8 * step for step in range(1, 9)], atol=1
        )
    assert max(comb(frame) for frame in frames[1:-1]) < 1


def test_a_progressive_video_is_left_alone(tmp_path: Path) -> None:
    fields = Deinterlacer()
    with av.open(str(encode(tmp_path / "whole.mp4", woven(4), Form()))) as container:
        for picture in container.decode(video=0):
            assert [mended is picture for mended in fields.mend(picture)] == [True]
    assert list(fields.rest()) == []
