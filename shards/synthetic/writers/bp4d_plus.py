"""BP4D+: everyone does all ten tasks, four are coded. The form is that of `shards.layouts.bp4d_plus`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.bp4d import FRAME_RATE
from shards.layouts.bp4d_plus import (
    ACTIVITIES,
    CODED_TASKS,
    INTENSITY_FOLDER,
    OCCURRENCE_FOLDER,
    SEQUENCE_FOLDER,
    SUBJECTS,
)
from shards.synthetic.action_units import Performance
from shards.synthetic.activities import perform_task
from shards.synthetic.writers.bp4d import picture_name
from shards.synthetic.writers.bp4d_labels import code, write_intensity, write_occurrence
from shards.synthetic.writers.writer import VideoJob, length

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig


class Bp4dPlusWriter:
    name = "bp4d_plus"
    fps = FRAME_RATE
    most_identities = len(SUBJECTS)
    identities_are = "the subjects of BP4D+"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, subject in enumerate(SUBJECTS[: config.identities]):
            for scene, task in enumerate(ACTIVITIES):
                num_frames = length(config, self.fps, identity, scene)
                video = config.out / SEQUENCE_FOLDER / subject / task
                yield VideoJob(config, identity, scene, num_frames, video, task, picture_name(identity))

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform_task(random, job.num_frames, self.fps, ACTIVITIES[job.shows].emotion)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none."""

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """Occurrence in named columns, intensity by AU; nothing for the tasks that nobody coded."""
        if job.shows in CODED_TASKS:
            sequence = f"{SUBJECTS[job.identity]}_{job.shows}"
            coding, out = code(job, performance), job.config.out
            write_occurrence(out / OCCURRENCE_FOLDER / f"{sequence}.csv", coding, legacy=False)
            write_intensity(out / INTENSITY_FOLDER, sequence, coding)
