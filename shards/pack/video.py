"""One video into its spool: what a worker process does. Every way to give nothing ends in a ledger line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import cv2

from shards.errors import ShardError
from shards.layouts.layout import Labels, Source
from shards.pack.faces.align import Aligner
from shards.pack.faces.crops import FaceCropper
from shards.pack.faces.detect import Detector
from shards.pack.faces.detector_server import DetectorAddress, connected
from shards.pack.faces.plugins import get_aligner, get_detector
from shards.pack.faces.quality import inner_face, sharpness
from shards.pack.frames.decode import DecodedFrame, VideoError
from shards.pack.frames.source import read_source
from shards.pack.job import PackConfig
from shards.pack.limits import StallGuard, memory_limit
from shards.pack.origin import Origin
from shards.pack.pieces import PieceCutter
from shards.pack.spool import VideoSpool, room_in, video_hash
from shards.pack.stopwatch import Stopwatch
from shards.schema import Failure

FOLLOWED_FROM = 10.0
"""Pictures per second; with fewer, faces move too far to be followed, and every picture is searched."""


@dataclass(frozen=True)
class VideoJob:
    """All that a worker needs for one video."""

    source: Source
    config: PackConfig
    origin: Origin
    source_bytes: int = 0
    detector_server: DetectorAddress | None = None
    """Who finds faces; None: this job itself."""

    @property
    def hash(self) -> str:
        """Names the video in keys and in the spool."""
        return video_hash(self.config.set_namespace, self.source.video_id)

    @property
    def stall_note(self) -> str:
        """Name of the note that a worker leaves which was ended because it stalled."""
        return f"{self.hash}.stalled"


@dataclass
class VideoResult:
    """What came of one video; the frames are in its spool."""

    video_id: str
    frames_read: int = 0
    frames_kept: int = 0
    failures: list[Failure] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    """CPU seconds by stage."""


class VideoPacker:
    """Runs one video through all stages into `spool`."""

    def __init__(
        self,
        job: VideoJob,
        spool: VideoSpool,
        detector: Detector,
        aligner: Aligner,
        alive: Callable[[], None],
    ) -> None:
        self._job = job
        self._alive = alive
        self._spool = spool
        self._watch = Stopwatch()
        self._cropper = FaceCropper(detector, aligner, job.config.size, self._watch)
        self._inner_face = inner_face(aligner.template, job.config.size)
        self.result = VideoResult(job.source.video_id, failures=list(job.source.failures))

    def run(self) -> VideoResult:
        """Decode, track, crop and encode the whole video."""
        config, labels = self._job.config, self._load_labels()
        with self._spool.frames_path.open("wb") as frames, self._spool.pieces_path.open("w") as lines:
            cutter = PieceCutter(
                self._job.source,
                labels,
                self._job.hash,
                config.frames_per_sample,
                config.gates,
                lines,
                self.result.failures.append,
            )
            try:
                self._pack_faces(frames, cutter)
            except VideoError as error:
                self._fail(error.stage, error.reason, error.detail)
            except (MemoryError, cv2.error) as error:
                if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
                    raise
                detail = (
                    f"after {self.result.frames_read} frames, {config.memory_bytes} bytes were not enough"
                )
                self._fail("decode", "out_of_memory", detail)
            cutter.end_tracks(keep=set())
            if not frames.tell() and self.result.frames_read:
                self._fail("detect", "no_face", f"in {self.result.frames_read} frames")
        self.result.frames_kept = cutter.frames_kept
        self.result.stage_seconds = self._watch.seconds
        return self.result

    def _fail(self, stage: str, reason: str, detail: str) -> None:
        self.result.failures.append(Failure(self._job.source.video_id, stage, reason, detail))

    def _load_labels(self) -> Labels | None:
        source = self._job.source
        try:
            labels = source.load_labels()
        except ShardError as error:
            detail = str(error)
            for path in source.label_files:  # full paths differ from machine to machine
                detail = detail.replace(str(path), path.name)
            self._fail("label", "bad_labels", detail)
            return None
        if labels is not None:
            self.result.failures += labels.failures
        return labels

    def _pack_faces(self, jpegs: IO[bytes], cutter: PieceCutter) -> None:
        sparse = self._job.source.frame_rate < FOLLOWED_FROM
        detect_every = 1 if sparse else self._job.config.detect_every
        end = 0
        for frame, faces in self._cropper.crops(self._frames(), detect_every):
            cutter.end_tracks(keep={face.track for face in faces})
            for face in faces:
                with self._watch.stage("quality"):
                    sharp = sharpness(face.pixels_HWC[self._inner_face])
                jpegs.write(face.jpeg)
                cutter.add(frame, face, end, sharp)
                end += len(face.jpeg)

    def _frames(self) -> Iterator[DecodedFrame]:
        frames = read_source(self._job.source, self._cropper.long_side, self._fail)
        while True:
            with self._watch.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            self._alive()
            self.result.frames_read += 1
            yield frame


def pack_video(job: VideoJob, folder: Path) -> VideoResult:
    """The task of a worker process: `job`'s video into a spool in `folder`."""
    cv2.setNumThreads(1)
    with (
        room_in(folder),
        # Before the limits: neither fetching nor loading a model is of the video's own time and memory.
        job.origin.fetched(job.source, folder) as source,
        open_detector(job.config.detector, job.detector_server) as detector,
        StallGuard(folder / job.stall_note, job.config.stall_seconds) as guard,
        memory_limit(job.config.memory_bytes),
    ):
        aligner = get_aligner(job.config.crop)
        spool = VideoSpool(folder, job.hash)
        return VideoPacker(replace(job, source=source), spool, detector, aligner, guard.alive).run()


@contextmanager
def open_detector(name: str, server: DetectorAddress | None) -> Iterator[Detector]:
    """The detector at `server`; without one, the one of this name."""
    if server is None:
        yield get_detector(name)
    else:
        with connected(server) as detector:
            yield detector
