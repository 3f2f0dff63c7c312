"""DISFA: people watching a film, every frame coded. The form is that of `shards.layouts.disfa`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.disfa import AUS, FIRST_FRAME, FRAME_RATE, LABEL_FOLDER, SUBJECTS, VIDEO_FOLDERS
from shards.synthetic.action_units import Performance
from shards.synthetic.curves import perform
from shards.synthetic.writers.writer import VideoJob, rounded, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

SPEECH_SHARE = 0.1


class DisfaWriter:
    name = "disfa"
    fps = FRAME_RATE
    most_identities = len(SUBJECTS)
    identities_are = "the subjects of DISFA"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        """All videos are of one length, as all saw the same film."""
        num_frames = max(1, round(config.seconds * self.fps))
        for identity, subject in enumerate(sorted(SUBJECTS)[: config.identities]):
            video = config.out / VIDEO_FOLDERS[0] / f"LeftVideo{subject}_comp.avi"
            yield VideoJob(config, identity, 0, num_frames, video)

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform(random, job.num_frames, self.fps, SPEECH_SHARE)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none."""

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """A file per AU, lines `frame,intensity`."""
        subject = sorted(SUBJECTS)[job.identity]
        for au in AUS:
            values_T = rounded(performance, au)
            lines = [f"{frame},{value}" for frame, value in enumerate(values_T, start=FIRST_FRAME)]
            write_lines(job.config.out / LABEL_FOLDER / subject / f"{subject}_au{au}.txt", lines)
