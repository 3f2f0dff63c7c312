"""One video into its spool: what a worker process does. Every way to give nothing ends in a ledger line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.layouts.layout import Labels, Source
from shards.pack.align import crop
from shards.pack.decode import DecodedFrame, VideoError
from shards.pack.detect import Detector, Face, YuNet
from shards.pack.encode import encode
from shards.pack.frames import read_source
from shards.pack.limits import MEMORY_BYTES, STALL_SECONDS, StallGuard, memory_limit
from shards.pack.spool import Piece, VideoSpool, piece_line, video_hash
from shards.pack.track import Follower, Sighting
from shards.schema import Failure

SHORTEST_PIECE = 8
"""Frames; a shorter rest joins the piece before it."""


FOLLOWED_FROM = 10.0
"""Pictures per second; with fewer, faces move too far to be followed, and every picture is searched."""


@dataclass(frozen=True)
class VideoJob:
    """All that a worker needs for one video."""

    source: Source
    namespace: str
    size: int
    frames_per_sample: int
    detect_every: int
    stall_seconds: float = STALL_SECONDS
    memory_bytes: int = MEMORY_BYTES

    @property
    def stall_note(self) -> str:
        """Name of the note that a worker leaves which was ended because it stalled."""
        return f"{video_hash(self.namespace, self.source.video_id)}.stalled"


@dataclass
class VideoResult:
    """What came of one video; the frames are in its spool."""

    video_id: str
    frames_read: int = 0
    frames_kept: int = 0
    failures: list[Failure] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    """CPU seconds by stage."""


class Stopwatch:
    """CPU time by stage; a stage inside another is taken from the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start, before = time.process_time(), self._inner
        self._inner = 0.0
        try:
            yield
        finally:
            spent = time.process_time() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent - self._inner
            self._inner = before + spent


@dataclass
class _Track:
    """The frames of a running track that have no piece yet."""

    pieces: int = 0
    time_seconds: list[float] = field(default_factory=list)
    frame_number: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    length: list[int] = field(default_factory=list)
    score: list[float | None] = field(default_factory=list)
    landmarks: list[list[float]] = field(default_factory=list)


class TimedDetector:
    """A detector whose time is counted apart from the tracking around it."""

    def __init__(self, detector: Detector, watch: Stopwatch) -> None:
        self.name, self.sha256, self.long_side = detector.name, detector.sha256, detector.long_side
        self._detector = detector
        self._watch = watch

    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        with self._watch.stage("detect"):
            return self._detector.detect(small_HW)


class VideoPacker:
    """Runs one video through all stages into `spool`."""

    def __init__(
        self, job: VideoJob, spool: VideoSpool, detector: Detector, alive: Callable[[], None]
    ) -> None:
        self._job = job
        self._alive = alive
        self._spool = spool
        self._watch = Stopwatch()
        self._detector = TimedDetector(detector, self._watch)
        self._hash = video_hash(job.namespace, job.source.video_id)
        self._tracks: dict[int, _Track] = {}
        self._labels: Labels | None = None
        self._end = 0
        self.result = VideoResult(job.source.video_id, failures=list(job.source.failures))

    def run(self) -> VideoResult:
        """Decode, track, crop and encode the whole video."""
        try:
            self._labels = self._job.source.load_labels()
        except ShardError as error:
            detail = str(error)
            for path in self._job.source.label_files:  # full paths differ from machine to machine
                detail = detail.replace(str(path), path.name)
            self._fail("label", "bad_labels", detail)
        if self._labels is not None:
            self.result.failures += self._labels.failures
        with self._spool.frames_path.open("wb") as frames, self._spool.pieces_path.open("w") as pieces:
            found = False
            try:
                for frame, sightings in self._sightings():
                    found = found or bool(sightings)
                    self._end_tracks(pieces, keep={sighting.track for sighting in sightings})
                    for sighting in sightings:
                        self._store(frame, sighting, frames, pieces)
            except VideoError as error:
                self._fail(error.stage, error.reason, error.detail)
            except (MemoryError, cv2.error) as error:
                if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
                    raise
                detail = (
                    f"after {self.result.frames_read} frames, {self._job.memory_bytes} bytes were not enough"
                )
                self._fail("decode", "out_of_memory", detail)
            self._end_tracks(pieces, keep=set())
        if not found and self.result.frames_read:
            self._fail("detect", "no_face", f"in {self.result.frames_read} frames")
        self.result.stage_seconds = self._watch.seconds
        return self.result

    def _fail(self, stage: str, reason: str, detail: str, track: int | None = None) -> None:
        self.result.failures.append(Failure(self._job.source.video_id, stage, reason, detail, track))

    def _sightings(self) -> Iterator[tuple[DecodedFrame, list[Sighting]]]:
        sparse = self._job.source.frame_rate < FOLLOWED_FROM
        follower: Follower[DecodedFrame] = Follower(self._detector, 1 if sparse else self._job.detect_every)
        pairs = follower.follow(self._frames())
        while True:
            with self._watch.stage("track"):
                pair = next(pairs, None)
            if pair is None:
                return
            yield pair

    def _frames(self) -> Iterator[DecodedFrame]:
        frames = read_source(self._job.source, self._detector.long_side, self._fail)
        while True:
            with self._watch.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            self._alive()
            self.result.frames_read += 1
            yield frame

    def _store(self, frame: DecodedFrame, sighting: Sighting, frames: IO[bytes], pieces: IO[str]) -> None:
        # The small picture's pixel x covers the frame's around (x + 0.5) / scale - 0.5.
        landmarks_52 = (sighting.landmarks_52 + 0.5) / frame.scale - 0.5
        with self._watch.stage("colour"):
            rgb_HWC = frame.rgb_HWC
        with self._watch.stage("align"):
            pixels = crop(rgb_HWC, landmarks_52, self._job.size)
        with self._watch.stage("encode"):
            data = encode(pixels)
        frames.write(data)
        track = self._tracks.setdefault(sighting.track, _Track())
        track.time_seconds.append(frame.time_seconds)
        track.frame_number.append(frame.index + self._job.source.first_frame)
        track.offset.append(self._end)
        track.length.append(len(data))
        track.score.append(None if sighting.score is None else round(sighting.score, 4))
        track.landmarks.append(landmarks_52.round(2).ravel().tolist())
        self._end += len(data)
        if len(track.length) >= self._job.frames_per_sample + SHORTEST_PIECE:
            self._cut_piece(sighting.track, self._job.frames_per_sample, True, pieces)

    def _end_tracks(self, pieces: IO[str], keep: set[int]) -> None:
        for number in [number for number in self._tracks if number not in keep]:
            length = len(self._tracks[number].length)
            shortest = self._job.source.shortest_track
            if length < shortest and not self._tracks[number].pieces:
                first = self._tracks[number].frame_number[0]
                detail = f"{length} frames from frame {first} on, wanted {shortest}"
                self._fail("track", "too_short", detail, number)
            else:
                self._cut_piece(number, length, False, pieces)
            del self._tracks[number]

    def _cut_piece(self, number: int, length: int, more: bool, pieces: IO[str]) -> None:
        track = self._tracks[number]
        place = f"{self._hash}-{number:03d}"
        labels, numbers = self._labels, track.frame_number[:length]
        occurrence_TA = labels.rows(labels.occurrence_FA, numbers) if labels else None
        intensity_TA = labels.rows(labels.intensity_FA, numbers) if labels else None
        piece = Piece(
            key=f"{place}-{track.pieces:03d}",
            track=number,
            piece=track.pieces,
            next_key=f"{place}-{track.pieces + 1:03d}" if more else None,
            time_seconds=track.time_seconds[:length],
            frame_number=numbers,
            offset=track.offset[:length],
            length=track.length[:length],
            score=track.score[:length],
            landmarks=track.landmarks[:length],
            occurrence=None if occurrence_TA is None else occurrence_TA.tolist(),
            intensity=None if intensity_TA is None else intensity_TA.tolist(),
        )
        pieces.write(piece_line(piece))
        self.result.frames_kept += length
        columns = (track.time_seconds, track.frame_number, track.offset, track.length, track.score)
        for column in (*columns, track.landmarks):
            del column[:length]
        track.pieces += 1


def pack_video(job: VideoJob, folder: Path) -> VideoResult:
    """The task of a worker process: `job`'s video into a spool in `folder`."""
    cv2.setNumThreads(1)
    spool = VideoSpool(folder, video_hash(job.namespace, job.source.video_id))
    detector = YuNet()
    with StallGuard(folder / job.stall_note, job.stall_seconds) as guard, memory_limit(job.memory_bytes):
        return VideoPacker(job, spool, detector, guard.alive).run()
