"""One packer at a time on a destination.

    <url>/lease/<number>.json     who packs, and a beat that changes while it lives

The holder of the highest number packs. A number is taken by a conditional put, so that of several exactly one
gets it. No clock is compared: a holder on this machine and in this container is looked up by its process, any
other is watched for some beats. Who was away for too long finds a higher number and stops before it commits.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shards import storage
from shards.errors import ShardError

FOLDER = "lease"
BEAT_SECONDS = 10.0
WATCHED_BEATS = 3
"""Without a change for so many beats, a holder elsewhere is taken for dead."""


@dataclass(frozen=True)
class Holder:
    """A process that packs."""

    host: str
    processes: str
    """Where its process number counts: the running kernel, and the container in it."""
    pid: int
    started: int
    """Kernel ticks: a process number is given again."""
    beat: int = 0

    @property
    def is_here(self) -> bool:
        return self.processes == _processes()

    @property
    def lives(self) -> bool:
        """Whether the process is there; only for one on this machine."""
        return _started(self.pid) == self.started


class Lease:
    """The lease that this process holds."""

    def __init__(self, url: str, number: int) -> None:
        self._url, self._number = url, number

    def check(self) -> None:
        """Stop here if another packer took over meanwhile.

        Raises:
            ShardError: it did.
        """
        if _newest(self._url) != self._number:
            raise ShardError(
                f"another packer took over {self._url} while this one was away; let that one finish"
            )


@contextmanager
def lease(url: str, tell: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the destination's lease, and give it back at the end.

    `tell` is given a line while a holder elsewhere is watched.

    Raises:
        ShardError: another packer lives.
    """
    number = _newest(url)
    if number:
        _refuse_the_living(url, number, tell)
    number += 1
    me = Holder(socket.gethostname(), _processes(), os.getpid(), _started(os.getpid()) or 0)
    if not storage.write_if_absent(_place(url, number), _content(me)):
        raise ShardError(f"another packer has just begun to pack to {url}; let that one finish")
    for old in range(1, number):
        storage.delete(_place(url, old))
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(_place(url, number), me, ended), daemon=True)
    beating.start()
    try:
        yield Lease(url, number)
    finally:
        ended.set()
        beating.join()
        storage.delete(_place(url, number))


def _refuse_the_living(url: str, number: int, tell: Callable[[str], None]) -> None:
    holder = _read(url, number)
    if holder is None:
        return
    who = f"process {holder.pid} on {holder.host}"
    if holder.is_here:
        lives = holder.lives
    else:
        seconds = BEAT_SECONDS * WATCHED_BEATS
        tell(f"{who} began to pack here; watching for {seconds:g} s whether it lives")
        time.sleep(seconds)
        lives = _read(url, number) not in (holder, None)
    if lives:
        raise ShardError(f"{who} is packing to {url}; let it finish, or stop it and start again")


def _beat(place: str, holder: Holder, ended: threading.Event) -> None:
    beat = 0
    while not ended.wait(BEAT_SECONDS):
        beat += 1
        try:
            storage.write_bytes(place, _content(replace(holder, beat=beat)))
        except ShardError:
            continue  # the store is away: the next beat tries again, and a commit says what is wrong


def _newest(url: str) -> int:
    names = storage.list_names(storage.join(url, FOLDER))
    return max((int(name.removesuffix(".json")) for name in names), default=0)


def _read(url: str, number: int) -> Holder | None:
    """None where the lease was given back."""
    if not storage.exists(_place(url, number)):
        return None
    return Holder(**json.loads(storage.read_bytes(_place(url, number))))


def _place(url: str, number: int) -> str:
    return storage.join(url, FOLDER, f"{number:06d}.json")


def _content(holder: Holder) -> bytes:
    return (json.dumps(asdict(holder), sort_keys=True) + "\n").encode()


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
