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

from shards.layouts.layout import is_image
from shards.synthetic.action_units import Performance, unit_coefficients
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person, stable_seed
from shards.synthetic.render import Renderer
from shards.synthetic.scene import Scene, draw_scene
from shards.synthetic.writers.pictures import write_picture, write_pictures
from shards.synthetic.writers.registry import WRITERS
from shards.synthetic.writers.writer import VideoJob
from shards.video import write_video

SMALLEST_SIZE = 64


@dataclass(frozen=True)
class GenerateConfig:
    """What to generate.

    Attributes:
        out: folder to write into; made where missing.
        layout: a name in `WRITERS`.
        identities: number of people; at most as many as the real set has.
        seconds: mean length of the videos.
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
        if self.layout not in WRITERS:
            raise ValueError(
                f"layout: found {self.layout!r}, wanted one of {', '.join(WRITERS)}; choose one of these"
            )
        for name in ("identities", "seconds", "videos_per_identity"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}: found {value}, wanted a number above 0; pass a larger one")
        writer = WRITERS[self.layout]
        if self.identities > writer.most_identities:
            raise ValueError(
                f"identities: found {self.identities}, wanted at most {writer.most_identities}, "
                f"{writer.identities_are}; pass fewer, or longer videos"
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


def person_seed(layout: str, seed: int, identity: int) -> int:
    """Return the seed of a person; it contains the layout, so that no person appears in two."""
    return stable_seed("person", layout, seed, identity)


def plan_videos(config: GenerateConfig) -> Iterator[VideoJob]:
    """Yield the videos of a set in order, with paths as the real dataset names them."""
    return WRITERS[config.layout].plan(config)


def performance_of(job: VideoJob) -> Performance:
    """Return the movement of a video, with the exact intensities of every frame."""
    return WRITERS[job.config.layout].perform(job, job.random("movement"))


def scene_of(job: VideoJob) -> Scene:
    """Return where and how a video is taken, with the head's exact rotation in every frame."""
    config = job.config
    return draw_scene(job.random("scene"), job.num_frames, WRITERS[config.layout].fps, config.size)


def frames_of(job: VideoJob, performance: Performance) -> Iterator[NDArray[np.uint8]]:
    """Render the frames (size, size, 3) uint8 RGB of a video."""
    config, scene = job.config, scene_of(job)
    person = make_person(person_seed(config.layout, config.seed, job.identity))
    renderer = Renderer(person, scene, config.size)
    coefficients_TK = unit_coefficients(performance, load_head().expressions.names)
    for coefficients_K, rotation_D, drift_D in zip(
        coefficients_TK, scene.rotation_TD, scene.drift_TD, strict=True
    ):
        yield renderer.render(coefficients_K, rotation_D, drift_D)


def make_video(job: VideoJob) -> None:
    """Write one video, after its labels, unless it is there: a video that exists always has its labels."""
    if job.video.exists():
        return
    performance = performance_of(job)
    writer = WRITERS[job.config.layout]
    writer.write_labels(job, performance)
    frames = frames_of(job, performance)
    if job.frame_name:
        write_pictures(job.video, frames, job.frame_name, job.without)
    elif is_image(job.video):
        write_picture(job.video, frames)
    else:
        write_video(job.video, frames, writer.fps, job.config.size)


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
    WRITERS[config.layout].write_set_labels(config)
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
