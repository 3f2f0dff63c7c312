"""Writing frames to a video file, atomically."""

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

CRF = 20
# Without mbtree=0, x264 gives other bytes for the same frames now and then.
X264_OPTIONS = {"crf": str(CRF), "preset": "veryfast", "x264-params": "mbtree=0"}
CODECS = (("libx264", X264_OPTIONS), ("mpeg4", {"qscale": "3"}))


@cache
def pick_codec() -> tuple[str, dict[str, str]]:
    """Return the first encoder of CODECS that this build of FFmpeg has, with its options."""
    for name, options in CODECS:
        if name in av.codecs_available:
            return name, dict(options)
    raise RuntimeError(
        f"found no video encoder among {[name for name, _ in CODECS]} in PyAV's FFmpeg; "
        "wanted one of them; install the `av` wheel from PyPI, which bundles both"
    )


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: int, size: int) -> None:
    """Encode RGB frames (size, size, 3) uint8 to `path` (.mp4 or .avi).

    The file gets its name only when it is complete. One thread encodes, so that the bytes do not depend on
    the machine's load. Raises RuntimeError where the FFmpeg build has no suitable encoder.
    """
    codec, options = pick_codec()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    with av.open(str(unfinished), "w", format=path.suffix.removeprefix(".")) as container:
        stream = cast("av.VideoStream", container.add_stream(codec, rate=Fraction(fps), options=options))
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame_HWC in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        container.mux(stream.encode())
    unfinished.replace(path)
