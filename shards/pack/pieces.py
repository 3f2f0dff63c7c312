"""Running tracks into pieces: cut to length, judged by the gates, linked, and written to a spool."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import IO

import numpy as np

from shards.layouts.layout import Labels, Source
from shards.pack.faces.crops import FaceCrop
from shards.pack.faces.quality import Gates, measure
from shards.pack.frames.decode import DecodedFrame
from shards.pack.spool import Piece, piece_line
from shards.schema import Failure

SHORTEST_PIECE = 8
"""Frames; a shorter rest joins the piece before it."""


@dataclass
class _Track:
    """The frames of a running track that have no piece yet."""

    pieces: int = 0
    held: Piece | None = None
    """The last piece, which is linked once the one after it is judged."""
    time_seconds: list[float] = field(default_factory=list)
    frame_number: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    length: list[int] = field(default_factory=list)
    score: list[float | None] = field(default_factory=list)
    landmarks: list[list[float]] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)


class PieceCutter:
    """Takes the faces of a video frame by frame; holds two pieces of each running track at most."""

    def __init__(
        self,
        source: Source,
        labels: Labels | None,
        key_prefix: str,
        frames_per_sample: int,
        gates: Gates,
        lines: IO[str],
        fail: Callable[[Failure], None],
    ) -> None:
        """Pieces go to `lines`, a JSON line each; what becomes of no piece goes to `fail`."""
        self.frames_kept = 0
        self._source = source
        self._labels = labels
        self._key_prefix = key_prefix
        self._frames_per_sample = frames_per_sample
        self._gates = gates
        self._lines = lines
        self._fail = fail
        self._tracks: dict[int, _Track] = {}

    def add(self, frame: DecodedFrame, face: FaceCrop, offset: int, sharpness: float) -> None:
        """One more frame of a track; its JPEG file stands at `offset` of the spool's frame file."""
        track = self._tracks.setdefault(face.track, _Track())
        track.time_seconds.append(frame.time_seconds)
        track.frame_number.append(frame.index + self._source.first_frame)
        track.offset.append(offset)
        track.length.append(len(face.jpeg))
        track.score.append(None if face.score is None else round(face.score, 4))
        track.landmarks.append(face.landmarks_52.round(2).ravel().tolist())
        track.sharpness.append(sharpness)
        if len(track.length) >= self._frames_per_sample + SHORTEST_PIECE:
            self._cut(face.track, self._frames_per_sample)

    def end_tracks(self, keep: set[int]) -> None:
        """Close all tracks but those in `keep`."""
        for number in [number for number in self._tracks if number not in keep]:
            track = self._tracks[number]
            length, shortest = len(track.length), self._source.shortest_track
            if length < shortest and not track.pieces:
                detail = f"{length} frames from frame {track.frame_number[0]} on, wanted {shortest}"
                self._fail(
                    Failure(self._source.video_id, "track", "too_short", detail, number, frames=length)
                )
            else:
                self._cut(number, length)
                self._write_held(track, next_key=None)
            del self._tracks[number]

    def _cut(self, number: int, length: int) -> None:
        """A piece of the track's first frames, or a line in the ledger."""
        track = self._tracks[number]
        frame_number, landmarks = track.frame_number[:length], track.landmarks[:length]
        quality = measure(
            np.array(landmarks).reshape(length, 5, 2), track.sharpness[:length], track.score[:length]
        )
        refusals = self._gates.refusals(quality)
        key = f"{self._key_prefix}-{number:03d}-{track.pieces:03d}"
        self._write_held(track, next_key=None if refusals else key)
        if refusals:
            what = "; ".join(refusal.detail for refusal in refusals)
            detail = f"{what}; {length} frames from {frame_number[0]} to {frame_number[-1]}"
            self._fail(
                Failure(self._source.video_id, "quality", refusals[0].reason, detail, number, frames=length)
            )
        else:
            self.frames_kept += length
            track.held = Piece(
                key=key,
                track=number,
                piece=track.pieces,
                next_key=None,
                time_seconds=track.time_seconds[:length],
                frame_number=frame_number,
                offset=track.offset[:length],
                length=track.length[:length],
                score=track.score[:length],
                landmarks=landmarks,
                **self._labels_of(frame_number),
                quality=asdict(quality),
            )
        columns = (track.time_seconds, track.frame_number, track.offset, track.length, track.score)
        for column in (*columns, track.landmarks, track.sharpness):
            del column[:length]
        track.pieces += 1

    def _labels_of(self, frame_number: list[int]) -> dict[str, list[list[int]] | None]:
        labels = self._labels
        if labels is None:
            return {"occurrence": None, "intensity": None}
        occurrence_TA = labels.rows(labels.occurrence_FA, frame_number)
        intensity_TA = labels.rows(labels.intensity_FA, frame_number)
        return {
            "occurrence": None if occurrence_TA is None else occurrence_TA.tolist(),
            "intensity": None if intensity_TA is None else intensity_TA.tolist(),
        }

    def _write_held(self, track: _Track, next_key: str | None) -> None:
        if track.held is not None:
            self._lines.write(piece_line(replace(track.held, next_key=next_key)))
            track.held = None
