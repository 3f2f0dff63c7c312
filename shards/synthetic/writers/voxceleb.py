"""VoxCeleb2: people being interviewed, without labels. The form is that of `shards.layouts.voxceleb`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.synthetic.action_units import Performance
from shards.synthetic.curves import perform
from shards.synthetic.person import stable_seed
from shards.synthetic.writers.writer import VideoJob, length

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

SPEECH_SHARE = 0.55
VIDEO_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class VoxcelebWriter:
    name = "voxceleb"
    fps = 25
    most_identities = 99_999
    identities_are = "numbers that fit idNNNNN"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity in range(config.identities):
            for scene in range(config.videos_per_identity):
                letters = np.random.default_rng(stable_seed("video id", config.seed, identity, scene))
                name = "".join(letters.choice(list(VIDEO_ID_LETTERS), 11))
                video = config.out / f"dev/mp4/id{identity + 1:05d}" / name / "00001.mp4"
                yield VideoJob(config, identity, scene, length(config, self.fps, identity, scene), video)

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform(random, job.num_frames, self.fps, SPEECH_SHARE)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none."""

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """There are none."""
