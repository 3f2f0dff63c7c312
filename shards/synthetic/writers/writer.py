"""What a writer gives: the videos of a set, how people move in them, and the label files.

Axes: T frames of a video, A action units (order of `action_units.ACTION_UNITS`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, Performance
from shards.synthetic.person import stable_seed

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

LENGTH_SPREAD = 0.3
"""Videos are shorter or longer than the mean by up to this share, in sets whose real videos differ."""


@dataclass(frozen=True)
class VideoJob:
    """One video: which person, which scene, how long, where it goes."""

    config: "GenerateConfig"
    identity: int
    scene: int
    num_frames: int
    video: Path
    """A video file; a folder of pictures where `frame_name` is given; or a single picture."""
    shows: str = ""
    """The task or the expression, in sets that name it."""
    frame_name: str = ""
    """Format of a picture's name by its number, counted from 1, and its index, counted from 0."""
    without: frozenset[int] = frozenset()
    """Numbers of pictures that are left out."""

    def random(self, purpose: str) -> np.random.Generator:
        """Draws for one purpose, which depend on this video alone."""
        config = self.config
        return np.random.default_rng(
            stable_seed(purpose, config.layout, config.seed, self.identity, self.scene)
        )


class Writer(Protocol):
    """A data set's form, for writing; the folder and file names are those of the layout of the same name."""

    name: str
    fps: int
    most_identities: int
    identities_are: str
    """What `most_identities` counts, for messages."""

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        """The videos of a set in order, with paths as the real data set names them."""
        ...

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        """The movement of a video."""
        ...

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """Write the label files that are for the whole set, before any video."""
        ...

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """Write the label files of one video, before the video."""
        ...


def length(config: "GenerateConfig", fps: int, identity: int, scene: int, share: float = 1.0) -> int:
    """Frames of a video of about `share` of the wanted seconds, at least one."""
    random = np.random.default_rng(stable_seed("length", config.layout, config.seed, identity, scene))
    factor = random.uniform(1 - LENGTH_SPREAD, 1 + LENGTH_SPREAD)
    return max(1, round(config.seconds * share * factor * fps))


def rounded(performance: Performance, unit: int) -> NDArray[np.int64]:
    """(T,) a unit's intensity as a coder would write it, 0-5."""
    column_T = performance.intensity_TA[:, ACTION_UNITS.index(unit)]
    return np.rint(column_T).astype(np.int64)


def stretch(random: np.random.Generator, num_frames: int, chance: float, share: float) -> NDArray[np.bool_]:
    """(T,) True in one run of about `share` of the frames, by `chance`; otherwise nowhere."""
    found_T = np.zeros(num_frames, bool)
    happens, at = random.random() < chance, random.random()
    if happens:
        length = max(1, round(share * num_frames))
        start = int(at * (num_frames - length + 1))
        found_T[start : start + length] = True
    return found_T


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a text file, which gets its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    unfinished.replace(path)
