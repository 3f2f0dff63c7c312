"""The first clip of a pretraining run as its encoder saw it: the packed frames and two augmented views.

Axes: B = 1 clips, T frames, H W stored pixels, C channels, S network input size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from pretrain.augment import AugmentConfig, augment
from shards.batch import ClipSpec
from shards.pack.faces.encode import encode
from shards.plan import Plan
from shards.policies import policy_named
from shards.reader import ClipReader
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet


@dataclass(frozen=True)
class ClipViews:
    """JPEG files of a clip's frames, in time order."""

    time_seconds_T: list[float]
    """From the first frame on."""
    packed_T: list[bytes]
    views_VT: list[list[bytes]]
    image_size: int


def first_clip(
    tracks: TrackSet, order: Mapping[str, Any], config: Mapping[str, Any], views: int = 2
) -> ClipViews | None:
    """The first clip of step 0; None where the plan's first clip cannot be read.

    Args:
        tracks: the set that the run read.
        order: what its checkpoints say of the order of the data.
        config: the run's resolved config.
        views: how many augmented views; the first is the query's, the second the key's.
    """
    names = [spec_field.name for spec_field in fields(ClipSpec)]
    spec = {name: order[f"clip.{name}"] for name in names if f"clip.{name}" in order}
    spec["gap_seconds"] = None if spec.get("gap_seconds") is None else tuple(spec["gap_seconds"])
    frames = int(spec["num_frames"])
    plan = Plan(
        tracks,
        ClipSpec(**spec),
        int(order["global_batch"]),
        int(order["seed"]),
        policy_named(order["policy"]),
        window_rows=int(order["window_rows"]),
    )
    clip = plan.batch(0)[0]
    reader = ClipReader(tracks, StreamConfig(), StreamCounters())
    fetched = reader.fetch(clip)
    size, image_size = tracks.manifest.recipe.size, int(config["encoder"]["image_size"])
    pixels_THWC = np.zeros((len(clip.frames_T), size, size, 3), np.uint8)
    if not reader.decode_into(fetched, pixels_THWC):
        return None
    chosen_1THWC = torch.from_numpy(pixels_THWC[None, :frames])
    augmentation = AugmentConfig(**config["augment"])
    seed_B = np.array([clip.augment_seed], np.int64)
    drawn = [augment(chosen_1THWC, seed_B, view, image_size, augmentation)[0] for view in range(views)]
    times = fetched.facts.time_seconds_T[:frames]
    return ClipViews(
        time_seconds_T=(times - times[0]).tolist(),
        packed_T=fetched.jpegs_T[:frames],
        views_VT=[
            [encode((frame_CSS.permute(1, 2, 0) * 255).round().byte().numpy()) for frame_CSS in view_TCSS]
            for view_TCSS in drawn
        ],
        image_size=image_size,
    )
