"""One holder at a time of a place in a store: who works there, and a beat that changes while it lives.

    <url>/lease/<number>.json

The holder of the highest number works. A number is taken by a conditional put, so that of several exactly one
gets it. No clock is compared: a holder says for how long it may be silent, and who wants the place watches it
for so long. Who was away for longer finds a higher number, and must stop before it commits anything.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shards import storage
from shards.errors import NotFoundError, ShardError

FOLDER = "lease"
BEATS = 3
"""Within the time that a holder may be silent."""


@dataclass(frozen=True)
class Holder:
    """A process that works at a place."""

    host: str
    processes: str
    """Where its process number counts: the running kernel, and the container in it."""
    pid: int
    started: int
    """Kernel ticks: a process number is given again."""
    silent_seconds: float
    """Without a new beat for so long, the lease has expired."""
    beat: int = 0
    exit_status: int | None = None
    """Of a holder that ended by itself and left this behind."""

    @classmethod
    def this_process(cls, silent_seconds: float) -> "Holder":
        started = _started(os.getpid()) or 0
        return cls(socket.gethostname(), _processes(), os.getpid(), started, silent_seconds)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        return self.processes == _processes()

    @property
    def lives(self) -> bool:
        """Whether the process is there; only for one on this machine."""
        return _started(self.pid) == self.started


@dataclass(frozen=True)
class Lease:
    """A number that this process, or the one that gave it this, has taken."""

    url: str
    number: int

    @property
    def is_newest(self) -> bool:
        """Whether nobody took over."""
        return newest(self.url) <= self.number


def newest(url: str) -> int:
    """The highest number that was taken; 0 where there is none."""
    names = storage.list_names(storage.join(url, FOLDER))
    return max((int(name.removesuffix(".json")) for name in names), default=0)


def read(url: str, number: int) -> Holder | None:
    """Who holds it; None where the lease was given back."""
    try:
        return Holder(**json.loads(storage.read_bytes(place(url, number))))
    except NotFoundError:
        return None


def take(url: str, after: int, me: Holder) -> Lease | None:
    """The number after `after`, which was the newest; None where another one was faster."""
    number = after + 1
    if not storage.write_if_absent(place(url, number), content(me)):
        return None
    for name in storage.list_names(storage.join(url, FOLDER)):
        if int(name.removesuffix(".json")) < number:
            storage.delete(storage.join(url, FOLDER, name))
    return Lease(url, number)


@contextmanager
def beating(lease: Lease, me: Holder) -> Iterator[None]:
    """Beat meanwhile."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(lease, me, ended), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def end(lease: Lease, me: Holder, exit_status: int) -> None:
    """Leave behind how it ended; nothing where another one took over."""
    if lease.is_newest:
        storage.write_bytes(place(lease.url, lease.number), content(replace(me, exit_status=exit_status)))


def give_back(lease: Lease) -> None:
    """Leave nothing behind."""
    storage.delete(place(lease.url, lease.number))


def place(url: str, number: int) -> str:
    return storage.join(url, FOLDER, f"{number:06d}.json")


def content(holder: Holder) -> bytes:
    return (json.dumps(asdict(holder), sort_keys=True) + "\n").encode()


def _beat(lease: Lease, me: Holder, ended: threading.Event) -> None:
    beat = 0
    while not ended.wait(me.silent_seconds / BEATS):
        beat += 1
        try:
            if not lease.is_newest:
                return
            storage.write_bytes(place(lease.url, lease.number), content(replace(me, beat=beat)))
        except ShardError:
            continue  # the store is away: the next beat tries again, and a commit says what is wrong


def _processes() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> int | None:
    """When a process of this machine began, in ticks since the boot; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # After the name in brackets, which may hold anything; a zombie is dead.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
