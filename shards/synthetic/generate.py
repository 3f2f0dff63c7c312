"""Generated videos of made-up people, in a real dataset's own folders: `python -m shards generate OUT ...`.

Every video is a function of (layout, identity, video, seed, seconds, size) alone: the number of workers and
an interruption change nothing, and a finished file is kept. The people of two layouts are different people.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, DISFA_ACTION_UNITS, Performance, unit_coefficients
from shards.synthetic.curves import perform
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person, stable_seed
from shards.synthetic.render import Renderer
from shards.synthetic.scene import draw_scene
from shards.synthetic.video import write_video

DISFA_SUBJECTS = tuple(f"SN{number:03d}" for number in (*range(1, 14), 16, 17, 18, 21, *range(23, 33)))
LAYOUTS = ("voxceleb", "disfa")
FPS = {"voxceleb": 25, "disfa": 20}
# VoxCeleb is people being interviewed, DISFA people watching a film.
SPEECH_SHARE = {"voxceleb": 0.55, "disfa": 0.1}
VIDEO_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SMALLEST_SIZE = 64


@dataclass(frozen=True)
class GenerateConfig:
    """What to generate.

    Attributes:
        out: folder to write into; made where missing.
        layout: "voxceleb" (unlabelled, 25 fps) or "disfa" (12 action units, 20 fps).
        identities: number of people; at most 27 for "disfa".
        seconds: length of each video.
        seed: another seed gives other people, scenes and movements.
        size: width and height of the videos in pixels, even.
        videos_per_identity: for "voxceleb" only.
        workers: processes; 0 takes one per core.
    """

    out: Path
    layout: str
    identities: int
    seconds: float
    seed: int
    size: int = 224
    videos_per_identity: int = 2
    workers: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a value that cannot be generated."""
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"layout: found {self.layout!r}, wanted one of {', '.join(LAYOUTS)}; choose one of these"
            )
        for name in ("identities", "seconds", "videos_per_identity"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}: found {value}, wanted a number above 0; pass a larger one")
        if self.layout == "disfa" and self.identities > len(DISFA_SUBJECTS):
            raise ValueError(
                f"identities: found {self.identities}, wanted at most {len(DISFA_SUBJECTS)}, the subjects of "
                "DISFA; pass fewer, or longer videos"
            )
        if self.size < SMALLEST_SIZE or self.size % 2:
            raise ValueError(
                f"size: found {self.size}, wanted an even number of at least {SMALLEST_SIZE}; round it"
            )
        for name in ("workers", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name}: found {getattr(self, name)}, wanted 0 or more; pass 0 for the default"
                )

    @property
    def num_frames(self) -> int:
        """Frames of each video, at least one."""
        return max(1, round(self.seconds * FPS[self.layout]))


@dataclass(frozen=True)
class VideoJob:
    """One video: which person, which scene, where the files go (`labels` is None for unlabelled layouts)."""

    config: GenerateConfig
    identity: int
    scene: int
    video: Path
    labels: Path | None


def person_seed(layout: str, seed: int, identity: int) -> int:
    """Return the seed of a person; it contains the layout, so that no person appears in two."""
    return stable_seed("person", layout, seed, identity)


def plan_videos(config: GenerateConfig) -> Iterator[VideoJob]:
    """Yield the videos of a set in order, with paths as the real dataset names them."""
    for identity in range(config.identities):
        if config.layout == "disfa":
            subject = DISFA_SUBJECTS[identity]
            video = config.out / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
            yield VideoJob(config, identity, 0, video, config.out / "ActionUnit_Labels" / subject)
            continue
        for scene in range(config.videos_per_identity):
            letters = np.random.default_rng(stable_seed("video id", config.seed, identity, scene))
            name = "".join(letters.choice(list(VIDEO_ID_LETTERS), 11))
            yield VideoJob(
                config,
                identity,
                scene,
                config.out / f"dev/mp4/id{identity + 1:05d}" / name / "00001.mp4",
                None,
            )


def performance_of(job: VideoJob) -> Performance:
    """Return the movement of a video, with the exact intensities of every frame."""
    config = job.config
    random = np.random.default_rng(
        stable_seed("movement", config.layout, config.seed, job.identity, job.scene)
    )
    return perform(random, config.num_frames, FPS[config.layout], SPEECH_SHARE[config.layout])


def frames_of(job: VideoJob, performance: Performance) -> Iterator[NDArray[np.uint8]]:
    """Render the frames (size, size, 3) uint8 RGB of a video."""
    config = job.config
    random = np.random.default_rng(stable_seed("scene", config.layout, config.seed, job.identity, job.scene))
    scene = draw_scene(random, config.num_frames, FPS[config.layout], config.size)
    person = make_person(person_seed(config.layout, config.seed, job.identity))
    renderer = Renderer(person, scene, config.size)
    coefficients_TK = unit_coefficients(performance, load_head().expressions.names)
    for coefficients_K, rotation_D, drift_D in zip(
        coefficients_TK, scene.rotation_TD, scene.drift_TD, strict=True
    ):
        yield renderer.render(coefficients_K, rotation_D, drift_D)


def write_labels(folder: Path, intensity_TA: NDArray[np.float32]) -> None:
    """Write DISFA's label files: lines `frame,intensity`, frames from 1, intensity rounded to 0-5."""
    folder.mkdir(parents=True, exist_ok=True)
    for unit in DISFA_ACTION_UNITS:
        rounded_T = np.rint(intensity_TA[:, ACTION_UNITS.index(unit)]).astype(int)
        lines = "".join(f"{frame},{value}\n" for frame, value in enumerate(rounded_T, start=1))
        path = folder / f"{folder.name}_au{unit}.txt"
        unfinished = path.with_name(path.name + ".partial")
        unfinished.write_text(lines, encoding="ascii")
        unfinished.replace(path)


def make_video(job: VideoJob) -> None:
    """Write one video, after its labels, unless it is there: a video that exists always has its labels."""
    if job.video.exists():
        return
    performance = performance_of(job)
    if job.labels is not None:
        write_labels(job.labels, performance.intensity_TA)
    write_video(job.video, frames_of(job, performance), FPS[job.config.layout], job.config.size)


def _end_with_parent() -> None:
    """Stop this worker when the process that started it is gone, or it would wait for work for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def generate(config: GenerateConfig, progress: Callable[[int, int], None] | None = None) -> None:
    """Write every video of `config` that is not there yet.

    Args:
        config: what to write.
        progress: called with (videos done, videos in all) after each.

    Raises:
        ValueError: by `GenerateConfig`, for a value that cannot be generated.
    """
    jobs = list(plan_videos(config))
    waiting = [job for job in jobs if not job.video.exists()]
    done = len(jobs) - len(waiting)
    for count in itertools.chain([done], _run(waiting, config.workers, done)):
        if progress is not None:
            progress(count, len(jobs))


def _run(jobs: list[VideoJob], workers: int, done: int) -> Iterator[int]:
    """Make the videos and yield `done` plus the number made, after each."""
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        for number, job in enumerate(jobs, start=done + 1):
            make_video(job)
            yield number
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
        made = [pool.submit(make_video, job) for job in jobs]
        try:
            for number, video in enumerate(as_completed(made), start=done + 1):
                video.result()
                yield number
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
