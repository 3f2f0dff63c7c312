"""Some frames of a shard set with where they come from, and what an encoder makes of them.

Axes: F frames, H W C stored pixels, D features.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.augment import PLAIN, augment
from pretrain.models.encoder import FrameEncoder
from shards.errors import ShardError
from shards.plan import PlannedClip
from shards.reader import ClipReader
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet

BATCH = 64
CPU = torch.device("cpu")
Apply = Callable[[Tensor], Tensor]
"""`(frames_NCHW in 0..1) -> vectors_ND`."""


@dataclass(frozen=True)
class SampledFrames:
    """F frames: places in the set, the JPEG files as packed, and their pixels."""

    row_F: list[int]
    place_F: list[int]
    """Number of the frame within its row."""
    person_F: list[str]
    video_F: list[str]
    jpeg_F: list[bytes]
    pixels_FHWC: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.row_F)

    @property
    def jpeg_at(self) -> dict[tuple[int, int], bytes]:
        """JPEG files by row and frame within it."""
        return dict(zip(zip(self.row_F, self.place_F, strict=True), self.jpeg_F, strict=True))

    def only(self, places: NDArray[np.int64]) -> "SampledFrames":
        """Some of them."""
        lists = (self.row_F, self.place_F, self.person_F, self.video_F, self.jpeg_F)
        row_F, place_F, person_F, video_F, jpeg_F = ([of[place] for place in places] for of in lists)
        return SampledFrames(row_F, place_F, person_F, video_F, jpeg_F, self.pixels_FHWC[places])


def spread_frames(tracks: TrackSet, rows: Sequence[int], per_video: int) -> list[tuple[int, int]]:
    """(row, frame) of at most `per_video` frames of each video of `rows`, evenly spread over its rows."""
    of_video: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (tracks.videos[row], tracks.track[row], tracks.piece[row])):
        of_video[tracks.videos[row]] += [(row, frame) for frame in range(int(tracks.num_frames[row]))]
    chosen = []
    for video in sorted(of_video):
        frames = of_video[video]
        places = np.linspace(0, len(frames) - 1, min(per_video, len(frames))).round().astype(int)
        chosen += [frames[place] for place in places]
    return chosen


def read_sampled(tracks: TrackSet, places: Sequence[tuple[int, int]]) -> SampledFrames:
    """Fetch and decode frames, (row, frame) each; rows that cannot be read are left out.

    Raises:
        ShardError: none could be read, or more rows than a stream tolerates could not.
    """
    reader = ClipReader(tracks, StreamConfig(), StreamCounters())
    size = tracks.manifest.recipe.size
    wanted: dict[int, list[int]] = defaultdict(list)
    for row, frame in places:
        wanted[int(row)].append(int(frame))
    read: dict[tuple[int, int], tuple[bytes, NDArray[np.uint8]]] = {}
    for row, frames in wanted.items():
        rows_T = np.full(len(frames), row)
        fetched = reader.fetch(PlannedClip(0, row, rows_T, np.array(frames, np.int64), 0))
        pixels_THWC = np.zeros((len(frames), size, size, 3), np.uint8)
        if reader.decode_into(fetched, pixels_THWC):
            for frame, jpeg, pixels_HWC in zip(frames, fetched.jpegs_T, pixels_THWC, strict=True):
                read[row, frame] = jpeg, pixels_HWC
    kept = [(int(row), int(frame)) for row, frame in places if (int(row), int(frame)) in read]
    if not kept:
        raise ShardError(f"{tracks.url}: none of the {len(places)} frames asked for could be read")
    return SampledFrames(
        row_F=[row for row, _ in kept],
        place_F=[frame for _, frame in kept],
        person_F=[tracks.identities[row] for row, _ in kept],
        video_F=[tracks.videos[row] for row, _ in kept],
        jpeg_F=[read[place][0] for place in kept],
        pixels_FHWC=np.stack([read[place][1] for place in kept]),
    )


def encode_frames(
    apply: Apply, frames: SampledFrames, image_size: int, device: torch.device = CPU
) -> NDArray[np.float64]:
    """Vectors `(F, D)` of frames as evaluation sees them: resized, not augmented, without gradients.

    `device` is where `apply` computes.
    """
    vectors = []
    with torch.no_grad():
        for start in range(0, len(frames), BATCH):
            pixels_N1HWC = torch.from_numpy(frames.pixels_FHWC[start : start + BATCH, None]).to(device)
            seed_N = np.zeros(len(pixels_N1HWC), np.int64)
            vectors.append(apply(augment(pixels_N1HWC, seed_N, 0, image_size, PLAIN)[:, 0]).cpu().numpy())
    return np.concatenate(vectors).astype(np.float64)


def encode_with(encoder: FrameEncoder, frames: SampledFrames) -> NDArray[np.float64]:
    """The encoder's feature of each frame, computed where the encoder is."""
    return encode_frames(
        lambda x: encoder(x).pooled_ND, frames, encoder.config.image_size, encoder.pixel_mean.device
    )
