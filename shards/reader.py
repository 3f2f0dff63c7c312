"""Reads and decodes planned clips: ranged reads verified by CRC, JPEG straight into the batch."""

import io
import threading
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards import storage
from shards.errors import ShardError
from shards.plan import PlannedClip
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER
from shards.tracks import TrackSet

COALESCE_BYTES = 64 * 1024
"""Frames nearer than this in a shard share a request: a request costs more than the bytes between."""

LABELS_KEPT = 100_000
"""Label arrays kept in memory, a few tens of MB."""


@dataclass(frozen=True)
class StreamConfig:
    """How a rank reads."""

    threads: int = 2
    """Threads for fetching and as many for decoding."""
    read_ahead: int = 4
    """Batches fetched, and batches decoded, before they are asked for."""
    max_unreadable: int = 100
    """Samples that may be unreadable before the run stops."""

    def __post_init__(self) -> None:
        if min(self.threads, self.read_ahead) < 1 or self.max_unreadable < 0:
            raise ValueError(
                f"stream needs threads and read_ahead >= 1 and max_unreadable >= 0, found {self}"
            )


@dataclass
class StreamCounters:
    """What a stream has done so far; logged with the training metrics."""

    requests: int = 0
    bytes_fetched: int = 0
    bytes_decoded: int = 0
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0
    wait_seconds: float = 0.0
    withheld: int = 0
    """Clips left empty because their person or video was forgotten since the run began."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """Samples that could not be read, by provenance, with the reason."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def quarantine(self, provenance: str, reason: str, limit: int) -> None:
        """Note an unreadable sample.

        Raises:
            ShardError: more than `limit` samples are unreadable.
        """
        with self._lock:
            self.quarantined[provenance] = reason
            if len(self.quarantined) > limit:
                named = "; ".join(f"{key}: {why}" for key, why in list(self.quarantined.items())[:3])
                raise ShardError(
                    f"{len(self.quarantined)} samples could not be read, more than max_unreadable={limit}; "
                    f"run `python -m shards verify` on the set. First: {named}"
                )


class ClipBytes(NamedTuple):
    """A planned clip with what was read for it; `frames` is empty where reading failed."""

    clip: PlannedClip
    frames: dict[int, bytes]
    labels: dict[str, NDArray[np.int8]]


class ClipReader:
    """Reads and decodes the planned clips of one set; its methods are called from the stages' threads."""

    def __init__(self, tracks: TrackSet, config: StreamConfig, counters: StreamCounters) -> None:
        self.tracks, self.config, self.counters = tracks, config, counters
        self.size = tracks.manifest.recipe.size
        # A sample's labels are a few hundred bytes, and each would cost a request on every visit.
        self._label = lru_cache(maxsize=LABELS_KEPT)(self._read_label)

    def fetch(self, clip: PlannedClip) -> ClipBytes:
        """The bytes of a clip's frames and its rows of labels, verified; nothing of who was forgotten."""
        if self.tracks.withheld[clip.row]:
            self.counters.add(withheld=1)
            return ClipBytes(clip, {}, {})
        start = monotonic()
        try:
            frames = self._frames(clip)
            labels = {name: self._label(clip.row, name) for name in (OCCURRENCE_MEMBER, INTENSITY_MEMBER)}
            return ClipBytes(
                clip, frames, {name: label for name, label in labels.items() if label is not None}
            )
        except ShardError as error:
            self._quarantine(clip.row, str(error))
            return ClipBytes(clip, {}, {})
        finally:
            self.counters.add(fetch_seconds=monotonic() - start)

    def decode_into(self, read: ClipBytes, frames_THWC: NDArray[np.uint8]) -> bool:
        """Decode a clip into its slot of the batch; False (and a zero slot) where it cannot be had."""
        if not read.frames:
            return False
        start = monotonic()
        try:
            for slot, frame in enumerate(read.clip.frames_T):
                if frame >= 0:
                    simplejpeg.decode_jpeg(read.frames[int(frame)], buffer=frames_THWC[slot])
            return True
        except ValueError as error:
            frames_THWC[:] = 0
            self._quarantine(read.clip.row, f"not a JPEG of {self.size} pixels: {error}")
            return False
        finally:
            self.counters.add(
                decode_seconds=monotonic() - start,
                bytes_decoded=sum(len(data) for data in read.frames.values()),
            )

    def provenance(self, row: int) -> str:
        return f"{storage.join(self.tracks.url, self.tracks.shards[row])}#{self.tracks.keys[row]}"

    def _quarantine(self, row: int, reason: str) -> None:
        self.counters.quarantine(self.provenance(row), reason, self.config.max_unreadable)

    def _frames(self, clip: PlannedClip) -> dict[int, bytes]:
        place = self.tracks.frames_of(clip.row)
        offsets, lengths = self.tracks.frame_offset[place], self.tracks.frame_length[place]
        wanted = np.unique(clip.frames_T[clip.frames_T >= 0])
        read: dict[int, bytes] = {}
        for run in _coalesced(wanted, offsets, lengths):
            first, last = run[0], run[-1]
            start, end = int(offsets[first]), int(offsets[last] + lengths[last])
            content = self._range(clip.row, start, end - start)
            for frame in run:
                begin = int(offsets[frame]) - start
                data = content[begin : begin + int(lengths[frame])]
                if zlib.crc32(data) != int(self.tracks.frame_crc32[place][frame]):
                    raise ShardError(f"frame {frame} does not match its CRC in the index")
                read[int(frame)] = data
        return read

    def _read_label(self, row: int, name: str) -> NDArray[np.int8] | None:
        place = self.tracks.label_members[name][row]
        if place is None:
            return None
        offset, length, crc32 = place
        content = self._range(row, offset, length)
        if zlib.crc32(content) != crc32:
            raise ShardError(f"member {name} does not match its CRC in the index")
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), np.int8)

    def _range(self, row: int, start: int, length: int) -> bytes:
        self.counters.add(requests=1, bytes_fetched=length)
        return storage.read_range(storage.join(self.tracks.url, self.tracks.shards[row]), start, length)


def _coalesced(
    wanted: NDArray[np.int64], offsets: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[list[int]]:
    """Runs of frames that one request fetches."""
    runs: list[list[int]] = []
    for frame in wanted.tolist():
        if runs and offsets[frame] - (offsets[runs[-1][-1]] + lengths[runs[-1][-1]]) <= COALESCE_BYTES:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
