"""What a layout gives: sources with identities, and labels by frame number.

Axes: F labelled frames, A action units.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shards.schema import MISSING, Failure

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    ]
)

IMAGE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png"])


@dataclass(frozen=True)
class Labels:
    """Labels of one source: int8, -1 missing. Row i is frame `first_frame + i`, as the layout counts."""

    first_frame: int
    occurrence_FA: NDArray[np.int8] | None
    intensity_FA: NDArray[np.int8] | None
    failures: list[Failure] = field(default_factory=list)
    """Label files that could not be used; the others were."""

    def rows(self, labels_FA: NDArray[np.int8] | None, frame_number: list[int]) -> NDArray[np.int8] | None:
        """(T, A) labels of these frames, missing where there is no row; None where none of them has any."""
        if labels_FA is None:
            return None
        row_T = np.asarray(frame_number, np.int64) - self.first_frame
        inside_T = (row_T >= 0) & (row_T < len(labels_FA))
        labels_TA = np.full((len(row_T), labels_FA.shape[1]), MISSING, np.int8)
        labels_TA[inside_T] = labels_FA[row_T[inside_T]]
        return labels_TA if (labels_TA != MISSING).any() else None


def no_labels() -> None:
    """For sources without labels."""
    return


@dataclass(frozen=True)
class Source:
    """One video of a data set, one folder of its frames, or one picture."""

    video_id: str
    """Unique in the data set and stable: it names the video in the shards."""
    path: Path
    """A video file; a folder of pictures named by frame number; or a single picture."""
    identity: str | None
    """The person that the data set names; None where it names nobody."""
    activity: str | None = None
    first_frame: int = 0
    """The number of a video's first frame, as its labels count; pictures carry their numbers themselves."""
    frame_rate: float = 25.0
    """Frame numbers per second in a folder of pictures; a video has its own clock."""
    shortest_track: int = 8
    """Frames; a face seen in fewer is not kept."""
    expression: str | None = None
    """What the whole source shows, where the data set says so."""
    load_labels: Callable[[], Labels | None] = no_labels
    """Read in the process that packs the video; must be picklable."""
    label_files: list[Path] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    """What is missing or wrong around this video, for the ledger."""


@dataclass(frozen=True)
class Listing:
    """All that was found under a folder."""

    sources: list[Source]
    failures: list[Failure]
    """Things that belong to no video."""


class Layout(Protocol):
    """A data set's form on disk."""

    name: str
    occurrence_aus: list[int]
    intensity_aus: list[int]
    expressions: list[str]
    """That its sources may show, in the order of the data set's classes."""

    def list_sources(self, root: Path) -> Listing:
        """The data set under `root`, sorted by video id.

        Raises:
            ShardError: `root` does not have this layout; says what was looked for.
        """
        ...


def is_video(path: Path) -> bool:
    """Whether the name says so; what is inside shows when it is opened."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_image(path: Path) -> bool:
    """Whether the name says so."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def name_below(root: Path, path: Path) -> str:
    """The path from `root` on, with "/"; bytes that are no UTF-8 are escaped: ids are text."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def unknown_file(root: Path, path: Path) -> Failure:
    """The ledger line of a file that the layout has no use for."""
    return Failure(name_below(root, path), "open", "unknown_file", f"no video name ({path.suffix!r})")
