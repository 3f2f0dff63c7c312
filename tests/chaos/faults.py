"""What a test tells the proxy to do, and what the proxy tells of it."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can happen to a request."""

    SLOW_DOWN = "503 SlowDown"
    THROTTLED = "429 TooManyRequests"
    INTERNAL = "500 InternalError"
    EXPIRED = "403 ExpiredToken"
    MISSING = "404 NoSuchKey"
    GATEWAY = "502 BadGateway"
    """In HTML, from something between."""
    RESET_BEFORE = "reset before the head"
    LOST_ANSWER = "done by the store, then reset before the head"
    RESET_WITHIN = "reset within the body"
    STALL_BEFORE = "no bytes for a while, before the head"
    STALL_WITHIN = "no bytes for a while, within the body"
    TRICKLE = "the body at a few bytes a second"
    CLOSED_EARLY = "closed before the body is as long as its head says"
    SHORT_LENGTH = "a body and a content-length shorter than asked"
    WHOLE_OBJECT = "the range is ignored, the whole object comes"
    """Only for a client that does not sign its Range header."""
    WRONG_BYTE = "one byte of the body flipped"


ANSWERED_HERE = (
    Fault.SLOW_DOWN,
    Fault.THROTTLED,
    Fault.INTERNAL,
    Fault.EXPIRED,
    Fault.MISSING,
    Fault.GATEWAY,
)
PASSING = tuple(fault for fault in Fault if fault not in (Fault.EXPIRED, Fault.MISSING, Fault.WRONG_BYTE))
"""Faults that a patient client gets over by itself."""


@dataclass(frozen=True)
class Faults:
    """What happens to the requests from now on."""

    kinds: tuple[Fault, ...] = ()
    """One of these is drawn for each request that a fault happens to."""
    share: float = 0.0
    """Part of the requests that a fault happens to, drawn by `seed` and the request's number."""
    next_requests: int = 0
    """Faults happen to this many requests for certain, before `share` counts."""
    seed: int = 0
    methods: tuple[str, ...] = ("GET",)
    """Only to these."""
    only: str = ""
    """Only to requests whose target (path and query) has this in it; latency comes to all."""
    after_bytes: int = 0
    """Bytes of the body that come before a fault within it."""
    stall_seconds: float = 60.0
    trickle_bytes_per_second: float = 20.0
    latency_ms: float = 0.0
    """Wait before each request."""


@dataclass(frozen=True)
class Request:
    """A request as the proxy saw it."""

    method: str
    target: str
    range: str
    """The Range header; empty where there is none."""
    fault: str
    """What happened to it; empty where nothing did."""
    status: int
    """What the client got; 0 where no head is sent (yet)."""
    body_bytes: int
    """Of the answer, as sent to the client."""


@dataclass(frozen=True)
class Counts:
    """What went through since the start or the last `reset_counts`."""

    requests: int
    body_bytes: int
    """Of answers, as sent to clients."""
    connections: int
    """Opened."""
    open_connections: int
    """Now."""
    faults: dict[str, int]
    """How often each happened."""
