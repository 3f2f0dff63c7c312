"""The in-memory contract: what an objective asks of a track, and the batch it gets.

Axes: B clips, T frames of a clip (`num_frames` in time order, then `extra_frames`), H W C pixels, A AUs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClipSpec:
    """Which frames of a sample make one clip.

    `num_frames` frames whose neighbours are `gap_seconds` apart (one gap per clip, drawn uniformly in the
    range, shortened where the track is shorter), from a start in the sample drawn uniformly; they run on into
    the next pieces of its track. Then `extra_frames` other frames of these pieces, drawn uniformly, each once
    where there are enough. `gap_seconds=None` takes consecutive frames of the sample. A sample that cannot
    hold the clip is not planned at all; the plan counts it.

    `whole` takes all frames of the sample in order, up to `num_frames` (later slots are invalid).
    """

    num_frames: int
    gap_seconds: tuple[float, float] | None = None
    extra_frames: int = 0
    whole: bool = False
    left_context: int = 0
    """How many frames come before a plan's anchor frame, where the sample has them."""

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.extra_frames < 0:
            raise ValueError(
                "a clip needs num_frames >= 1 and extra_frames >= 0, "
                f"found {self.num_frames} and {self.extra_frames}"
            )
        if self.gap_seconds is not None:
            low, high = self.gap_seconds
            if not 0 < low <= high:
                raise ValueError(f"gap_seconds needs 0 < low <= high, found {self.gap_seconds}")
        if self.whole and (self.extra_frames or self.gap_seconds is not None):
            raise ValueError("a whole sample has neither gap_seconds nor extra_frames; leave them out")

    @property
    def total_frames(self) -> int:
        return self.num_frames + self.extra_frames


DEFAULT_CLIP = ClipSpec(7, (0.16, 0.32), extra_frames=2)
"""CLP's default clip."""


@dataclass(frozen=True)
class ClipBatch:
    """One rank's share of a global batch, still uint8.

    A slot whose sample could not be read keeps its place with `valid_B` False and zero pixels; losses
    divide by the global count of valid clips.
    """

    position_B: NDArray[np.int64]
    """Place in the endless training order; also what augmentation is seeded by."""
    augment_seed_B: NDArray[np.int64]
    frames_BTHWC: NDArray[np.uint8]
    frame_valid_BT: NDArray[np.bool_]
    time_BT: NDArray[np.float64]
    """Seconds in the source video."""
    frame_index_BT: NDArray[np.int64]
    """Frame of the sample `frame_key_BT`, counted from 0."""
    frame_key_BT: list[list[str]]
    """Of the sample that the frame is of: the visited one, or one before or after it in its track."""
    identity_B: NDArray[np.int64]
    """63-bit hash of set namespace and identity."""
    valid_B: NDArray[np.bool_]
    key_B: list[str]
    provenance_B: list[str]
    """`url#key`, for messages."""
    activity_B: list[str | None]
    expression_B: list[str | None]
    """What the visited sample shows, where its set says so."""
    occurrence_BTA: NDArray[np.int8] | None
    intensity_BTA: NDArray[np.int8] | None

    def __len__(self) -> int:
        return len(self.key_B)
