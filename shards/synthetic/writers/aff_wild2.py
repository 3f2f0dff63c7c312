"""Aff-Wild2: found videos, as cropped faces. The form is that of `shards.layouts.aff_wild2`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.aff_wild2 import ANNOTATIONS, AUS, FRAME_RATE, IMAGE_FOLDER, SETS
from shards.synthetic.action_units import Performance
from shards.synthetic.curves import perform
from shards.synthetic.writers.writer import VideoJob, length, rounded, stretch, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

SPEECH_SHARE = 0.35
EDITION = "6th_ABAW_Annotations"
PRESENT_FROM = 1
UNKNOWN = -1
UNCLEAR_CHANCE, UNCLEAR_SHARE = 0.3, 0.1
LOST_CHANCE, LOST_SHARE = 0.5, 0.06
"""How many videos have pictures without a found face, and how many of their pictures."""
VALIDATION_EVERY = 4


def video_name(identity: int) -> str:
    """Of ten people, the last two are together in one video."""
    ten, one = divmod(identity, 10)
    return f"video{ten * 9 + min(one, 8) + 1}" + {8: "_left", 9: "_right"}.get(one, "")


def set_of(identity: int) -> str:
    """Every fourth person validates; two in one video are in one set."""
    first = identity - (identity % 10 == 9)
    return SETS[first % VALIDATION_EVERY == VALIDATION_EVERY - 1]


class AffWild2Writer:
    name = "aff_wild2"
    fps = FRAME_RATE
    most_identities = 99_999
    identities_are = "more than anyone needs"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity in range(config.identities):
            num_frames = length(config, self.fps, identity, 0)
            video = config.out / IMAGE_FOLDER / video_name(identity)
            whole = VideoJob(config, identity, 0, num_frames, video, frame_name="{:05d}.jpg")
            lost_T = stretch(whole.random("lost pictures"), num_frames, LOST_CHANCE, LOST_SHARE)
            lost = frozenset(int(number) for number in 1 + np.flatnonzero(lost_T))
            yield replace(whole, without=lost)

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform(random, job.num_frames, self.fps, SPEECH_SHARE)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """There are none, but both folders are always there."""
        for group in SETS:
            (config.out / EDITION / ANNOTATIONS / group).mkdir(parents=True, exist_ok=True)

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """A line per frame of the video, lost pictures too."""
        unclear_T = stretch(job.random("coding"), job.num_frames, UNCLEAR_CHANCE, UNCLEAR_SHARE)
        values_TA = np.stack([rounded(performance, au) >= PRESENT_FROM for au in AUS], axis=1).astype(int)
        values_TA[unclear_T] = UNKNOWN
        header = ",".join(f"AU{au}" for au in AUS)
        folder = job.config.out / EDITION / ANNOTATIONS / set_of(job.identity)
        rows = [",".join(map(str, values)) for values in values_TA.tolist()]
        write_lines(folder / f"{video_name(job.identity)}.txt", [header, *rows])
