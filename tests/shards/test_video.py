from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from shards import video

SIZE, NUM_FRAMES = 64, 12


def frames() -> Iterator[NDArray[np.uint8]]:
    for t in range(NUM_FRAMES):
        yield np.full((SIZE, SIZE, 3), (20 * t, 128, 255 - 20 * t), np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_frames_come_back_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"clip{suffix}"
    video.write_video(path, frames(), 25, SIZE)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 25
    assert len(decoded) == NUM_FRAMES
    for frame, wanted in zip(decoded, frames(), strict=True):
        assert np.abs(frame.astype(int) - wanted).mean() < 6
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_video_never_gets_its_name(tmp_path: Path) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield from frames()
        raise OSError("no more frames")

    with pytest.raises(OSError, match="no more frames"):
        video.write_video(tmp_path / "clip.mp4", broken(), 25, SIZE)
    assert not (tmp_path / "clip.mp4").exists()


def test_missing_encoders_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "CODECS", (("no_such_codec", {}),))
    video.pick_codec.cache_clear()
    with pytest.raises(
        RuntimeError, match=r"found no video encoder among .*no_such_codec.*install the `av` wheel"
    ):
        video.pick_codec()
    video.pick_codec.cache_clear()
