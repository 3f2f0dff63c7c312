"""Limits of a worker process: a codec that hangs or swells costs its own video only."""

import faulthandler
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Self

STALL_SECONDS = 60.0
MEMORY_BYTES = 2 * 2**30
"""A frame of 8K video has 0.1 GB in colours."""
REARMS = 20
"""Times per limit that a living worker is noted: each costs the start of a thread."""


class StallGuard:
    """Ends this process when `alive` is not called for a while.

    The clock runs in C: code that never gives the interpreter back is ended too. What it was doing is written
    to `note`, which is how the parent tells a stall from a crash; without a stall there is no note.
    """

    def __init__(self, note: Path, seconds: float) -> None:
        self._note, self._seconds = note, seconds
        self._file: IO[str] | None = None
        self._next = 0.0

    def __enter__(self) -> Self:
        self._file = self._note.open("w")
        self.alive()
        return self

    def alive(self) -> None:
        """Begin to count anew."""
        now = monotonic()
        if self._file is not None and now >= self._next:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)
            self._next = now + self._seconds / REARMS

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faulthandler.cancel_dump_traceback_later()
        if self._file is not None:
            self._file.close()
        self._note.unlink()


def took_note(note: Path) -> bool:
    """Whether a `StallGuard` ended the process that had this note; the note is removed."""
    stalled = note.exists() and note.stat().st_size > 0
    note.unlink(missing_ok=True)
    return stalled


@contextmanager
def memory_limit(more_bytes: int) -> Iterator[None]:
    """Refuse this process more than `more_bytes` beyond what it has now: allocations then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _data_bytes() + more_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmData; a Linux kernel was expected")
