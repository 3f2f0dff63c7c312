"""The generated people: one unlabelled set to pretrain on, and three labelled groups of other people."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.protocols.registry import PROTOCOLS
from finetune.targets import make_target, read_labels
from pretrain.sampled import SampledFrames, read_sampled, spread_frames
from shards.index import open_set
from shards.layouts.disfa import FIRST_FRAME, SUBJECTS
from shards.synthetic.generate import GenerateConfig, plan_videos, scene_of
from shards.tracks import load_tracks
from tests.benchmarks.units import run_module

GROUPS = ("train", "validation", "test")
UNLABELLED, TASKS = "unlabelled", "tasks"
"""The sets to pretrain on."""


@dataclass(frozen=True)
class Size:
    """How much is generated. People of different seeds, and of the two layouts, are different people.

    Attributes:
        people: in the unlabelled set.
        seconds: of each unlabelled video; every person has two.
        task_people: of a second such set, for methods that read what people were asked to do.
        task_seconds: of each of its videos; every person does ten tasks.
        labelled_seconds: of each labelled video; every person has one.
        labelled: sets of up to 27 people in each labelled group.
        labelled_people: in each of these sets.
        seed: of everything generated; settings were chosen on another one.
    """

    people: int = 150
    seconds: float = 6.0
    task_people: int = 60
    task_seconds: float = 3.0
    labelled_seconds: float = 8.0
    labelled: tuple[int, int, int] = (3, 1, 2)
    labelled_people: int = len(SUBJECTS)
    seed: int = 7000
    crop_pixels: int = 96


@dataclass(frozen=True)
class LabelledFrames:
    """Frames of one group; people of its sets are told apart by the set's number."""

    frames: list[SampledFrames]
    person_F: list[str]
    label_FA: NDArray[np.int8]
    """Intensities 0-5 of DISFA's AUs."""
    rotation_F3: NDArray[np.float64]
    """Pitch, yaw and roll of the head in radians, as generated."""


def make_sets(folder: Path, size: Size, trained_on: Collection[str]) -> None:
    """Generate and pack what is not there yet; `trained_on` names the sets to pretrain on."""
    make_set(folder, UNLABELLED, "voxceleb", size.people, size.seconds, size.seed, size.crop_pixels)
    if TASKS in trained_on:
        tasks = size.task_people, size.task_seconds, _seed(size, f"{TASKS}-0")
        make_set(folder, TASKS, "bp4d_plus", *tasks, size.crop_pixels)
    make_labelled(folder, size)


def make_labelled(folder: Path, size: Size) -> None:
    """Those of the labelled groups alone."""
    for group, number in _labelled(size):
        name = f"{group}-{number}"
        amount = size.labelled_people, size.labelled_seconds, _seed(size, name)
        make_set(folder, name, "disfa", *amount, size.crop_pixels)


def _seed(size: Size, name: str) -> int:
    group, number = name.rsplit("-", 1)
    return size.seed + 1 + 10 * (*GROUPS, TASKS).index(group) + int(number)


def _labelled(size: Size) -> list[tuple[str, int]]:
    return [
        (group, number) for group, count in zip(GROUPS, size.labelled, strict=True) for number in range(count)
    ]


def make_set(
    folder: Path,
    name: str,
    layout: str,
    people: int,
    seconds: float,
    seed: int,
    crop_pixels: int,
    video_pixels: int = 224,
) -> None:
    """Generate videos and pack them, where they are not there yet."""
    videos, shards = folder / "videos" / name, folder / "sets" / name
    if (shards / "manifest.json").exists():
        return
    amount = ("--identities", str(people), "--seconds", f"{seconds:g}", "--seed", str(seed))
    crop = ("--layout", layout, "--size", str(crop_pixels))
    picture = ("--layout", layout, "--size", str(video_pixels))
    run_module("shards", ["generate", str(videos), *picture, *amount])
    run_module("shards", ["pack", str(videos), str(shards), *crop])


def set_url(folder: Path, name: str) -> str:
    """Where a set lies."""
    return str(folder / "sets" / name)


def labelled_frames(folder: Path, size: Size, group: str) -> LabelledFrames:
    """All frames of a group."""
    frames, people, labels, rotations = [], [], [], []
    for name in (f"{g}-{n}" for g, n in _labelled(size) if g == group):
        tracks = load_tracks(set_url(folder, name))
        numbers = open_set(tracks.url)[1]["frame_number"].to_pylist()
        rows = list(range(len(tracks)))
        of_row = read_labels(tracks, rows, make_target("intensity", PROTOCOLS["disfa"], tracks.manifest))
        rotation_of = _rotations(folder / "videos" / name, _seed(size, name), size)
        sampled = read_sampled(tracks, spread_frames(tracks, rows, per_video=10**6))
        frames.append(sampled)
        people += [f"{name}/{person}" for person in sampled.person_F]
        for row, place in zip(sampled.row_F, sampled.place_F, strict=True):
            labels.append(of_row[row][place])
            number = numbers[row][place]
            rotations.append(rotation_of[tracks.videos[row]][number - FIRST_FRAME])
    return LabelledFrames(frames, people, np.stack(labels), np.stack(rotations).astype(np.float64))


def _rotations(videos: Path, seed: int, size: Size) -> dict[str, NDArray[np.float32]]:
    """By video, the true rotation `(frames, 3)`."""
    config = GenerateConfig(videos, "disfa", size.labelled_people, size.labelled_seconds, seed)
    jobs = plan_videos(config)
    return {job.video.relative_to(videos).as_posix(): scene_of(job).rotation_TD for job in jobs}


def people_frames(folder: Path, per_video: int = 20) -> SampledFrames:
    """Frames of the unlabelled people, for telling them apart across their videos."""
    tracks = load_tracks(set_url(folder, UNLABELLED))
    return read_sampled(tracks, spread_frames(tracks, list(range(len(tracks))), per_video))
