"""Reads and decodes planned clips: ranged reads verified by CRC, JPEG straight into the batch."""

import io
import threading
import zlib
from functools import lru_cache
from time import monotonic
from typing import NamedTuple, Protocol

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from shards import storage
from shards.errors import ShardError
from shards.plan import PlannedClip
from shards.ranges import Wanted, coalesced, wanted_frames
from shards.reach import IntArray
from shards.schema import MISSING
from shards.stream_config import StreamConfig, StreamCounters
from shards.tracks import TrackSet
from shards.unit_rows import UnitRows

LOOKS = 4
"""At a frame's bytes: what was damaged on its way is asked for again. In a store that damages one read in a
hundred, two in a row are damaged every few thousand clips."""

LABELS_KEPT = 100_000
"""Label arrays kept in memory, a few tens of MB."""


class ClipFacts(NamedTuple):
    """What the index says of a clip."""

    key: str
    provenance: str
    identity: int
    activity: str | None
    expression: str | None
    time_seconds_T: NDArray[np.float64]
    """NaN in an empty slot."""
    frame_key_T: list[str]


class ClipBytes(NamedTuple):
    """A planned clip with what was read for it; `jpegs_T` is empty where reading failed."""

    clip: PlannedClip
    facts: ClipFacts
    jpegs_T: list[bytes]
    """A JPEG file for each of its frames; empty for an empty slot."""
    labels_TA: dict[str, NDArray[np.int8]]
    """By member name, of each frame."""


class Reader(Protocol):
    """What the stages ask of a reader."""

    config: StreamConfig
    counters: StreamCounters
    size: int

    def fetch(self, clip: PlannedClip) -> ClipBytes: ...

    def decode_into(self, read: ClipBytes, frames_THWC: NDArray[np.uint8]) -> bool: ...

    def aus_of(self, member: str) -> list[int]: ...


class ClipReader:
    """Reads and decodes the planned clips of one set; its methods are called from the stages' threads."""

    def __init__(self, tracks: TrackSet, config: StreamConfig, counters: StreamCounters) -> None:
        self.tracks, self.config, self.counters = tracks, config.for_sets([tracks.url]), counters
        self.size = tracks.manifest.recipe.size
        # A sample's labels are a few hundred bytes, and each would cost a request on every visit.
        self._scratch = threading.local()
        self.label = lru_cache(maxsize=LABELS_KEPT)(self._read_label)
        """Labels `(frames, AUs)` of a row under a member name; None where it has none."""

    def fetch(self, clip: PlannedClip) -> ClipBytes:
        """The bytes of a clip's frames and its rows of labels, verified; nothing of who was forgotten."""
        start = monotonic()
        unit, local = self.tracks.place(clip.row)
        local_T = clip.rows_T - clip.row + local
        facts = self._facts(unit, local, local_T, clip.frames_T)
        if unit.withheld_N[local_T].any():
            self.counters.add(withheld=1)
            return ClipBytes(clip, facts, [], {})
        try:
            jpegs_T = self._frames(unit, local_T, clip.frames_T)
            labels_TA = {name: self._labels(clip, name) for name in unit.labels}
            return ClipBytes(clip, facts, jpegs_T, labels_TA)
        except ShardError as error:
            self._quarantine(clip.row, str(error))
            return ClipBytes(clip, facts, [], {})
        finally:
            self.counters.add(fetch_seconds=monotonic() - start)

    def aus_of(self, member: str) -> list[int]:
        """A: the AUs that labels of this member name are of."""
        return self.tracks.aus_of(member)

    def decode_into(self, read: ClipBytes, frames_THWC: NDArray[np.uint8]) -> bool:
        """Decode a clip into its slot of the batch; False where it cannot be had. Empty slots become zero."""
        if not read.jpegs_T:
            frames_THWC[:] = 0
            return False
        start = monotonic()
        try:
            for jpeg, frame_HWC in zip(read.jpegs_T, frames_THWC, strict=True):
                if jpeg:
                    simplejpeg.decode_jpeg(jpeg, buffer=frame_HWC)
                else:
                    frame_HWC[:] = 0
            return True
        except ValueError as error:
            frames_THWC[:] = 0
            self._quarantine(read.clip.row, f"not a JPEG of {self.size} pixels: {error}")
            return False
        finally:
            self.counters.add(
                decode_seconds=monotonic() - start,
                bytes_decoded=sum(len(jpeg) for jpeg in read.jpegs_T),
            )

    def _facts(self, unit: UnitRows, local: int, local_T: IntArray, frames_T: IntArray) -> ClipFacts:
        key_of = {row: str(unit.name("key", row)) for row in {local, *local_T.tolist()}}
        time_T = unit.time_seconds_F[unit.frame_start_N[local_T] + np.maximum(frames_T, 0)]
        return ClipFacts(
            key=key_of[local],
            provenance=f"{storage.join(self.tracks.url, unit.name('shard', local))}#{key_of[local]}",
            identity=int(unit.identity_N[local]),
            activity=unit.name("activity", local),
            expression=unit.name("expression", local),
            time_seconds_T=np.where(frames_T >= 0, time_T, np.nan),
            frame_key_T=[key_of[row] for row in local_T.tolist()],
        )

    def _quarantine(self, row: int, reason: str) -> None:
        self.counters.quarantine(self.tracks.provenance(row), reason, self.config.max_unreadable)

    def _frames(self, unit: UnitRows, local_T: IntArray, frames_T: IntArray) -> list[bytes]:
        """A JPEG file for each frame; empty for an empty slot."""
        wanted_T = wanted_frames(unit, local_T, frames_T)
        jpegs: dict[Wanted, bytes] = {}
        for together in coalesced(sorted({wanted for wanted in wanted_T if wanted})):
            jpegs.update(self._read(together))
        return [jpegs[wanted] if wanted else b"" for wanted in wanted_T]

    def _read(self, together: list[Wanted]) -> dict[Wanted, bytes]:
        """Frames that share a request."""
        first, last = together[0], together[-1]
        for _ in range(LOOKS):
            content = self._range(first.shard, first.offset, last.offset + last.length - first.offset)
            jpegs = {}
            for wanted in together:
                begin = wanted.offset - first.offset
                jpegs[wanted] = bytes(content[begin : begin + wanted.length])
            damaged = [wanted for wanted, jpeg in jpegs.items() if zlib.crc32(jpeg) != wanted.crc32]
            if not damaged:
                return jpegs
            self.counters.add(damaged_reads=1)
        raise ShardError(
            f"the frame at byte {damaged[0].offset} of {first.shard} does not match its CRC in the index"
        )

    def _labels(self, clip: PlannedClip, name: str) -> NDArray[np.int8]:
        """Labels of each frame; missing where there are none."""
        labels_TA = np.full((len(clip.frames_T), len(self.tracks.aus_of(name))), MISSING, np.int8)
        shown_T = clip.frames_T >= 0
        for row in np.unique(clip.rows_T[shown_T]).tolist():
            label_FA = self.label(row, name)
            if label_FA is not None:
                mine_T = shown_T & (clip.rows_T == row)
                labels_TA[mine_T] = label_FA[clip.frames_T[mine_T]]
        return labels_TA

    def _read_label(self, row: int, name: str) -> NDArray[np.int8] | None:
        unit, local = self.tracks.place(row)
        place = unit.labels[name][local] if name in unit.labels else None
        if place is None:
            return None
        shard = unit.name("shard", local)
        for _ in range(LOOKS):
            content = self._range(shard, place.offset, place.length)
            if zlib.crc32(content) == place.crc32:
                return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), np.int8)
            self.counters.add(damaged_reads=1)
        raise ShardError(f"{self.tracks.provenance(row)}: member {name} does not match its CRC in the index")

    def _range(self, shard: str, start: int, length: int) -> memoryview:
        """Bytes of a shard, in memory that this thread's next call overwrites.

        Fresh memory for each would be given back to the allocator of a thread that needs another amount next:
        over ten minutes the process grew by megabytes.
        """
        self.counters.add(requests=1, bytes_fetched=length)
        if len(getattr(self._scratch, "buffer", b"")) < length:
            self._scratch.buffer = memoryview(bytearray(length))
        content: memoryview = self._scratch.buffer[:length]
        storage.read_into(storage.join(self.tracks.url, shard), start, content)
        return content
