"""BP4D: everyone does all eight tasks. The form is that of `shards.layouts.bp4d`, as folders of pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.bp4d import (
    ACTIVITIES,
    FRAME_RATE,
    INTENSITY_FOLDERS,
    OCCURRENCE_FOLDERS,
    SEQUENCE_FOLDERS,
    SUBJECTS,
)
from shards.synthetic.action_units import Performance
from shards.synthetic.activities import perform_task
from shards.synthetic.writers.bp4d_labels import code, write_intensity, write_occurrence
from shards.synthetic.writers.writer import VideoJob, length

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

BRIEF_TASKS = {"T3": 0.62, "T8": 0.62}
"""How long a startle and a smell take, of a usual task."""
MEAN_SHARE = sum(BRIEF_TASKS.get(task, 1.0) for task in ACTIVITIES) / len(ACTIVITIES)


def picture_name(identity: int) -> str:
    """Numbers have three digits with some people and four with others, as in the real set."""
    return "{:03d}.jpg" if identity % 3 == 2 else "{:04d}.jpg"


class Bp4dWriter:
    name = "bp4d"
    fps = FRAME_RATE
    most_identities = len(SUBJECTS)
    identities_are = "the subjects of BP4D"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, subject in enumerate(SUBJECTS[: config.identities]):
            for scene, task in enumerate(ACTIVITIES):
                share = BRIEF_TASKS.get(task, 1.0) / MEAN_SHARE
                num_frames = length(config, self.fps, identity, scene, share)
                video = config.out / SEQUENCE_FOLDERS[0] / subject / task
                yield VideoJob(config, identity, scene, num_frames, video, task, picture_name(identity))

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform_task(random, job.num_frames, self.fps, ACTIVITIES[job.shows].emotion)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none."""

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """Occurrence in 100 columns, intensity by AU."""
        sequence = f"{SUBJECTS[job.identity]}_{job.shows}"
        coding, out = code(job, performance), job.config.out
        write_occurrence(out / OCCURRENCE_FOLDERS[0] / f"{sequence}.csv", coding, legacy=True)
        write_intensity(out / INTENSITY_FOLDERS[0], sequence, coding)
