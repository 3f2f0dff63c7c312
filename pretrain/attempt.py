"""The right to write to a run: an attempt's number, which a newer attempt takes away.

    <run>/lease/000003.json     the driver that leads the run (shards/lease.py); none for `python -m pretrain`
    <run>/attempts/0002.json    a group of workers, with the number of the lease that it works for

Both numbers are taken by conditional puts. What works for an older lease, or is followed by another group of
its own lease, may not commit any more: neither a checkpoint nor an export.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from pretrain.errors import FencedError
from shards import lease, storage


@dataclass(frozen=True)
class Attempt:
    """One group of workers at a run."""

    run_url: str
    number: int
    lease: int = 0

    def refuse_if_replaced(self) -> None:
        """Ask the store whether this attempt may still write.

        Raises:
            FencedError: it may not.
        """
        _refuse_older(self.run_url, self.lease)
        for number in _numbers(self.run_url):
            if number > self.number and _lease_of(self.run_url, number) >= self.lease:
                raise FencedError(
                    f"attempt {self.number} at {self.run_url} was replaced by attempt {number}; this process "
                    "must stop"
                )


def claim_attempt(run_url: str, lease_number: int | None = None) -> Attempt:
    """The next attempt at the run; no two callers get the same one.

    Args:
        run_url: the run.
        lease_number: of the driver; None where there is none: the newest there was.

    Raises:
        FencedError: another driver took over from that one.
    """
    lease_number = lease.newest(run_url) if lease_number is None else lease_number
    _refuse_older(run_url, lease_number)
    number = 1 + max(_numbers(run_url), default=0)
    content = json.dumps({"lease": lease_number, "claimed_unix_seconds": time.time()}).encode()
    while not storage.write_if_absent(_place(run_url, number), content):
        number += 1
    return Attempt(run_url, number, lease_number)


def _refuse_older(run_url: str, lease_number: int) -> None:
    newest = lease.newest(run_url)
    if newest > lease_number:
        raise FencedError(
            f"the driver with lease {newest} took over {run_url} from the one with lease {lease_number}; "
            "this one must stop"
        )


def _numbers(run_url: str) -> list[int]:
    return sorted(int(Path(name).stem) for name in storage.list_names(storage.join(run_url, "attempts")))


def _lease_of(run_url: str, number: int) -> int:
    return int(json.loads(storage.read_bytes(_place(run_url, number)))["lease"])


def _place(run_url: str, number: int) -> str:
    return storage.join(run_url, "attempts", f"{number:04d}.json")
