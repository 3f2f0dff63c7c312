"""One packer at a time on a destination: a living one is left alone, a dead one is followed at once.

A holder on this machine and in this container is looked up by its process, any other is watched for as long
as it may be silent (shards/lease.py).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shards.errors import ShardError
from shards.lease import Holder, Lease, beating, give_back, newest, read, take

SILENT_SECONDS = 30.0


class PackLease:
    """The lease that this process holds."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def check(self) -> None:
        """Stop here if another packer took over meanwhile.

        Raises:
            ShardError: it did.
        """
        if not self._lease.is_newest:
            raise ShardError(
                f"another packer took over {self._lease.url} while this one was away; let that one finish"
            )


@contextmanager
def lease(url: str, tell: Callable[[str], None]) -> Iterator[PackLease]:
    """Hold the destination's lease, and give it back at the end.

    `tell` is given a line while a holder elsewhere is watched.

    Raises:
        ShardError: another packer lives.
    """
    number = newest(url)
    if number:
        _refuse_the_living(url, number, tell)
    me = Holder.this_process(SILENT_SECONDS)
    taken = take(url, number, me)
    if taken is None:
        raise ShardError(f"another packer has just begun to pack to {url}; let that one finish")
    try:
        with beating(taken, me):
            yield PackLease(taken)
    finally:
        give_back(taken)


def _refuse_the_living(url: str, number: int, tell: Callable[[str], None]) -> None:
    holder = read(url, number)
    if holder is None:
        return
    if holder.is_here:
        lives = holder.lives
    else:
        tell(f"{holder} began to pack here; watching for {holder.silent_seconds:g} s whether it lives")
        time.sleep(holder.silent_seconds)
        lives = read(url, number) not in (holder, None)
    if lives:
        raise ShardError(f"{holder} is packing to {url}; let it finish, or stop it and start again")
