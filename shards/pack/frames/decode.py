"""Frames of a video file, in one sequential pass.

Axes: H W pixels of the upright picture, C = RGB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import av
import av.container
import av.error
import av.video.stream
import numpy as np
from numpy.typing import NDArray

from shards.pack.frames.clock import Clock
from shards.pack.frames.colours import can_be_cut, hdr_transfer, luma, rgb, rgb_part, standard_luma
from shards.pack.frames.container import open_video
from shards.pack.frames.damage import Damage
from shards.pack.frames.hdr import tone_mapped
from shards.pack.frames.interlaced import Deinterlacer
from shards.pack.frames.parts import Box, Part
from shards.pack.frames.small import padded, resized, small_size
from shards.pack.frames.trouble import Tell as Tell
from shards.pack.frames.trouble import VideoError as VideoError
from shards.pack.frames.trouble import what
from shards.pack.frames.upright import Upright, pixel_aspect, upright_of

VideoPacket: TypeAlias = "av.Packet[av.video.stream.VideoStream] | None"  # generic in PyAV's stubs only
"""None empties the decoder."""
TRUNCATED_BELOW = 0.9
"""Less than this share of the header's frames or seconds is a file cut short (edit lists drop a few)."""


@dataclass(eq=False)
class DecodedFrame:
    """One frame: a small luma picture at once, colours on demand."""

    index: int
    """Counted from the source's first frame: in order of showing, or for pictures by their own numbers."""
    time_seconds: float
    """Rises from frame to frame."""
    small_HW: NDArray[np.uint8]
    scale: float
    """Pixels of `small_HW` per pixel of the frame."""
    colours: Callable[[], NDArray[np.uint8]]
    """Gives the upright frame in full size, with square pixels."""
    hdr_transfer: int | None = None
    """How `rgb_HWC` codes light, where it is of high dynamic range."""
    cut: Callable[[Box], Part] | None = None
    """Gives the same colours of a box alone, where that takes less than the whole frame."""

    @cached_property
    def rgb_HWC(self) -> NDArray[np.uint8]:  # noqa: N802 (axes)
        return self.colours()

    def part(self, box: Box) -> Part:
        """At least the pixels of the frame that lie in `box`."""
        return Part(self.rgb_HWC) if self.cut is None else self.cut(box)

    def standard(self, pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A part of `rgb_HWC`, or a crop out of it, in the standard range: a whole frame takes far longer."""
        return pixels_HWC if self.hdr_transfer is None else tone_mapped(pixels_HWC, self.hdr_transfer)


def read_frames(path: Path, long_side: int, tell: Tell) -> Iterator[DecodedFrame]:
    """Decode `path` from its first frame to its last; small pictures have `long_side` pixels at most.

    Frames that damage has spoiled are left out and told; what follows keeps its index and time.

    Raises:
        VideoError: it is no video, or ends too early; frames before that were given.
        MemoryError: a frame needs more than there is.
    """
    with open_video(path, tell) as (container, stream):
        try:
            yield from _Reading(container, stream, long_side, tell).frames()
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError("decode", "decode_error", what(error)) from error


class _Reading:
    """One pass through a stream."""

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.video.stream.VideoStream,
        long_side: int,
        tell: Tell,
    ) -> None:
        self._container, self._stream = container, stream
        self._long_side = long_side
        self._tell = tell
        self._clock = Clock(float(stream.average_rate or 0))
        # AVI stores no presentation times: with B-frames, what stands for them is out of order.
        self._timed = container.format.name != "avi"
        self._aspect = pixel_aspect(stream.sample_aspect_ratio)
        self._upright: dict[int, Upright] = {}
        self._shape: tuple[int, int] | None = None
        self._error: Exception | None = None
        self._broken: Exception | None = None

    def frames(self) -> Iterator[DecodedFrame]:
        damage = Damage()
        index = given = 0
        seconds = 0.0
        for picture in self._pictures():
            if picture is None:
                damage.lose(index)
            elif not damage.spoils(index, picture):
                stored = picture.time if self._timed else None
                if damage.gap:
                    index = damage.number_after_gap(index, self._clock.index_at(stored))
                seconds = self._clock.time_seconds(index, stored)
                given += 1
                yield self._frame(index, seconds, picture)
            index += 1
        self._clock.tell_wrong(index, self._tell)
        damage.tell_lost(index, self._tell)
        if given == 0:
            reason = f": {what(self._error)}" if self._error else ""
            raise VideoError("decode", "no_frames", f"no frame could be decoded{reason}")
        self._check_end(index, seconds + 1 / self._clock.frames_per_second)

    def _pictures(self) -> Iterator[av.VideoFrame | None]:
        """Decoded pictures in order of showing; None stands for one that could not be decoded."""
        fields = Deinterlacer()
        for packet in self._packets():
            yield from self._decoded(packet, fields)
        yield from fields.rest()

    def _decoded(self, packet: VideoPacket, fields: Deinterlacer) -> list[av.VideoFrame] | list[None]:
        try:
            return [mended for picture in self._stream.decode(packet) for mended in fields.mend(picture)]
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            self._error = error
            return [None]

    def _packets(self) -> Iterator[VideoPacket]:
        """Compressed pictures as they lie in the file; where reading breaks off, None empties the decoder."""
        try:
            yield from self._container.demux(self._stream)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            self._broken = error
            yield None

    def _frame(self, index: int, time_seconds: float, picture: av.VideoFrame) -> DecodedFrame:
        rotation = picture.rotation
        if rotation not in self._upright:
            self._upright[rotation] = upright_of(picture, self._aspect)
        upright = self._upright[rotation]
        size, scale = small_size(
            *upright.shown_size(picture.width, picture.height), self._long_side, self._shape
        )
        stored_size = size[::-1] if upright.turns % 2 else size
        small_HW = standard_luma(resized(luma(picture), stored_size), picture)
        small_HW = padded(np.ascontiguousarray(upright.turn(small_HW)), self._shape)
        self._shape = small_HW.shape
        colours = partial(_colours, picture, upright)
        cut = partial(rgb_part, picture) if upright == Upright() and can_be_cut(picture) else None
        return DecodedFrame(index, time_seconds, small_HW, scale, colours, hdr_transfer(picture), cut)

    def _check_end(self, frames: int, seconds: float) -> None:
        """Raises VideoError where the end came too early."""
        if self._broken is not None:
            raise VideoError("decode", "decode_error", f"after {frames} frames: {what(self._broken)}")
        if frames < TRUNCATED_BELOW * self._stream.frames:
            detail = f"{frames} frames of {self._stream.frames} that its header promises"
            raise VideoError("decode", "truncated", detail)
        promised_seconds = (self._container.duration or 0) / av.time_base
        if not self._stream.frames and seconds < TRUNCATED_BELOW * promised_seconds:
            detail = f"{seconds:.2f} s of {promised_seconds:.2f} that its header promises"
            raise VideoError("decode", "truncated", detail)


def _colours(picture: av.VideoFrame, upright: Upright) -> NDArray[np.uint8]:
    return upright.show(rgb(picture))
