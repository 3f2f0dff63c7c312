"""One driver of a job at a place: it leads, any other one follows it or takes over from it.

A job may be submitted again while it runs (a retry of what submits it), after its driver or its cluster died,
or while its driver is cut off. The lease in the job's folder (shards/lease.py) tells which it is.
"""

import sys
import time
from collections.abc import Callable

from pretrain.config import ConfigError
from pretrain.errors import FencedError
from shards.errors import ShardError
from shards.lease import Holder, Lease, beating, end, newest, read, take

FAILED, BAD_INPUT, FENCED = 1, 2, 3
"""Exit statuses of a driver; 0: what it was asked for is there."""
SILENT_SECONDS = 30.0
"""A driver that is silent for so long has lost the job, where nothing else is set."""
LOOK_SECONDS = 2.0

Work = Callable[[Lease], None]
Watch = Callable[[], None]


def lead(url: str, silent_seconds: float, work: Work, watch: Watch) -> int:
    """Do `work` as the only driver at `url`, or follow the one that does it.

    Args:
        url: the folder of the job.
        silent_seconds: a driver that is silent for so long has lost the job.
        work: the job; it gets the lease that its writes are made under.
        watch: called again and again while another driver is followed.

    Returns:
        Exit status: of the work that was done here, or of the driver that was followed.
    """
    me = Holder.this_process(silent_seconds)
    lease = None
    while lease is None:
        number = newest(url)
        status = _follow(url, number, watch) if number else None
        if status is not None:
            return status
        lease = take(url, number, me)
    with beating(lease, me):
        status = FAILED
        try:
            work(lease)
            status = 0
        except FencedError as fenced:
            return _fenced(fenced)
        except (ConfigError, ShardError):
            status = BAD_INPUT
            raise
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else FAILED
            raise
        finally:
            _leave(lease, me, status)
    return status


def _follow(url: str, number: int, watch: Watch) -> int | None:
    """Exit status of the driver that holds the lease; None where this one may take it."""
    holder = read(url, number)
    if holder is None or holder.exit_status is not None:
        return None
    sys.stdout.write(f"{holder} leads {url} with lease {number}; following it\n")
    sys.stdout.flush()
    seen = time.monotonic()
    while not (holder.is_here and not holder.lives):
        time.sleep(LOOK_SECONDS)
        try:
            watch()
            found, newer = read(url, number), newest(url)
        except ShardError as error:
            sys.stderr.write(f"{error}\n")
            seen = time.monotonic()  # the store is away, for its holder too
            continue
        if newer > number:
            return _follow(url, newer, watch)
        if found is None or found.exit_status is not None:
            return None if found is None else found.exit_status
        if found != holder:
            holder, seen = found, time.monotonic()
        elif time.monotonic() - seen > holder.silent_seconds:
            break
    sys.stdout.write(f"{holder} is dead or silent; taking over {url} with lease {number + 1}\n")
    sys.stdout.flush()
    return None


def _leave(lease: Lease, me: Holder, status: int) -> None:
    try:
        end(lease, me, status)
    except ShardError as error:
        sys.stderr.write(f"the end of the job could not be written, its lease will expire: {error}\n")


def _fenced(error: FencedError) -> int:
    sys.stderr.write(f"{error}\n")
    return FENCED
