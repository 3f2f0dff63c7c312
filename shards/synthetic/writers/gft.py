"""GFT: three people who talk with each other. The form is that of `shards.layouts.gft`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.gft import COLUMNS, FRAME_RATE, IMAGE_FOLDER, LABEL_FOLDER, PEOPLE
from shards.synthetic.action_units import ACTION_UNITS, Performance
from shards.synthetic.curves import perform
from shards.synthetic.writers.writer import VideoJob, length, rounded, stretch, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

SPEECH_SHARE = 0.35
PRESENT_FROM = 1
UNKNOWN = -999
UNCLEAR_SHARE = 0.2
"""Of everyone's frames; about as many of the real ones have no labels."""


class GftWriter:
    name = "gft"
    fps = FRAME_RATE
    most_identities = len(PEOPLE)
    identities_are = "the participants of GFT"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, person in enumerate(PEOPLE[: config.identities]):
            num_frames = length(config, self.fps, identity, 0)
            video = config.out / IMAGE_FOLDER / person
            yield VideoJob(config, identity, 0, num_frames, video, frame_name="{}.jpg")

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform(random, job.num_frames, self.fps, SPEECH_SHARE)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none."""

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """A line per frame; an AU that the generator does not move is absent throughout."""
        unclear_T = stretch(job.random("coding"), job.num_frames, 1.0, UNCLEAR_SHARE)
        values_TA = np.zeros((job.num_frames, len(COLUMNS)), np.int64)
        for column, au in enumerate(COLUMNS):
            if au in ACTION_UNITS:
                values_TA[:, column] = rounded(performance, au) >= PRESENT_FROM
        values_TA[unclear_T] = UNKNOWN
        header = ",".join(["Frame", *(f"AU{au}" for au in COLUMNS)])
        rows = [
            ",".join(map(str, [frame, *values])) for frame, values in enumerate(values_TA.tolist(), start=1)
        ]
        write_lines(job.config.out / LABEL_FOLDER / f"{PEOPLE[job.identity]}.csv", [header, *rows])
