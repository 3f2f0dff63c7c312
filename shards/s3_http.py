"""Connections to an S3 store over which one object after the other is asked for, no wait without a limit.

`http.client` speaks HTTP; here is what it lacks: connections kept for the next request, and sockets that
wait neither longer than a stall may last nor past the deadline of the request under way (a server that sends
a byte now and then never lets an ordinary timeout pass).

The one wait that has no limit of ours is the lookup of a name: the system's resolver has its own.
"""

import io
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

IDLE_SECONDS = 15.0
"""Connections unused for longer are not used again: stores and balancers end theirs after 20 s and more."""
MAX_IDLE = 64
HEAD_BYTES = 8_192
"""Read at once; what comes of the body with the head is copied from there, the rest comes without a copy."""


@dataclass(frozen=True)
class Route:
    """Where a store is and how to get there."""

    scheme: str
    host: str
    port: int
    context: ssl.SSLContext | None
    """For https."""
    proxy: str | None
    """A web proxy's url, as in HTTPS_PROXY."""

    def target(self, path: str) -> str:
        """What a request's first line says for an absolute path."""
        through_proxy = self.proxy is not None and self.scheme == "http"
        return f"http://{self.host}:{self.port}{path}" if through_proxy else path

    def proxy_headers(self) -> dict[str, str]:
        """What the proxy wants to know."""
        place = urlsplit(self.proxy or "")
        if place.username is None:
            return {}
        user = f"{unquote(place.username)}:{unquote(place.password or '')}"
        return {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}


class Deadline:
    """How long the waits of one request may last."""

    def __init__(self, end: Callable[[], float], stall_seconds: float) -> None:
        """`end` is in seconds of the monotonic clock, and may move."""
        self._end, self._stall_seconds = end, stall_seconds

    def wait_seconds(self) -> float:
        """The longest wait from now.

        Raises:
            TimeoutError: there is no time left.
        """
        left = self._end() - monotonic()
        if left <= 0:
            raise TimeoutError("the bytes came too slowly")
        return min(left, self._stall_seconds)


class _TimedSocket:
    """What `http.client` uses of a socket, with a deadline that every wait looks at."""

    def __init__(self, connected: socket.socket) -> None:
        self.connected = connected
        self.deadline = Deadline(lambda: 0.0, 0.0)
        self.incoming = io.BufferedReader(_Incoming(self))

    def receive_into(self, buffer: Any) -> int:
        self.connected.settimeout(self.deadline.wait_seconds())
        return self.connected.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        self.connected.settimeout(self.deadline.wait_seconds())
        self.connected.sendall(data)

    def makefile(self, mode: str) -> io.BufferedIOBase:
        # One for each answer, as http.client closes it.
        self.incoming = io.BufferedReader(_Incoming(self), HEAD_BYTES)
        return self.incoming

    def close(self) -> None:
        """Nothing: http.client closes before a last answer's body is read, the owner of `connected` after."""


class _Incoming(io.RawIOBase):
    """One answer's bytes."""

    def __init__(self, timed: _TimedSocket) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)


class Connection:
    """One connection; one request at a time."""

    def __init__(self, route: Route, connect_seconds: float) -> None:
        proxy = urlsplit(route.proxy) if route.proxy else None
        host, port = (proxy.hostname, proxy.port or 80) if proxy else (route.host, route.port)
        self._route = route
        self._http: HTTPConnection
        if route.scheme == "https":
            self._http = HTTPSConnection(host or "", port, timeout=connect_seconds, context=route.context)
            if proxy:
                self._http.set_tunnel(route.host, route.port, route.proxy_headers())
        else:
            self._http = HTTPConnection(host or "", port, timeout=connect_seconds)
        self._http.connect()
        self._timed = _TimedSocket(self._http.sock)
        self._http.sock = self._timed
        self._http.auto_open = 0
        self._is_after_head = False
        self.idle_since = monotonic()

    def get(self, path: str, headers: dict[str, str], deadline: Deadline) -> HTTPResponse:
        """Ask for `path` (absolute, quoted); its answer with the body still to come.

        That is read through the answer, or by `receive_into` until its length is there.
        """
        self._timed.deadline, self._is_after_head = deadline, True
        if self._route.scheme == "http":
            headers = headers | self._route.proxy_headers()
        self._http.request("GET", self._route.target(path), headers=headers)
        return self._http.getresponse()

    def receive_into(self, buffer: memoryview) -> int:
        """Take what there is of the body, one wait at most; 0 at the other side's end."""
        if self._is_after_head:
            # What came with the head. Not readinto1: it waits for more, and loses this when that fails.
            early = self._timed.incoming.read1(min(len(buffer), HEAD_BYTES))
            buffer[: len(early)] = early
            self._is_after_head = False
            return len(early)
        return self._timed.receive_into(buffer)

    def is_usable(self) -> bool:
        """Whether it is young, and nothing came since: what comes unasked is the other side's end."""
        if self._http.sock is None or monotonic() - self.idle_since > IDLE_SECONDS:
            return False
        waiting = select.poll()  # select() cannot do descriptors above 1023
        waiting.register(self._timed.connected, select.POLLIN)
        return not waiting.poll(0)

    def close(self) -> None:
        self._http.close()
        self._timed.connected.close()


class Pool:
    """Idle connections to one store, the last used first; shared by threads, not by processes."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def take(self, connect_seconds: float) -> Connection:
        """A connection for the caller alone, who gives it back or closes it."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return Connection(self._route, connect_seconds)
            if connection.is_usable():
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.idle_since = monotonic()
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle ones; those in use are their users' to close."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
