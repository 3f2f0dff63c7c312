"""HTTP/1.1 as far as a relay needs it: heads, bodies, and how a connection ends."""

import socket
import struct
import time
from collections.abc import Callable
from fcntl import ioctl
from typing import Any

CHUNK = 512 * 1024
OUTGOING_UNACKNOWLEDGED = 0x5411  # SIOCOUTQ
ABORT = struct.pack("ii", 1, 0)


class ResetError(Exception):
    """The connection to the client is to be reset, or is gone."""


class CloseError(Exception):
    """The connection to the client is to be closed without a reset."""


class Incoming:
    """A socket with what was read from it too early."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.early = b""
        self._buffer = memoryview(bytearray(CHUNK))

    def head(self) -> bytes:
        """Up to the empty line and with it; empty at the end of the stream."""
        while (end := self.early.find(b"\r\n\r\n")) < 0:
            data = self.socket.recv(65_536)
            if not data:
                return b""
            self.early += data
        head, self.early = self.early[: end + 4], self.early[end + 4 :]
        return head

    def some(self, most: int) -> memoryview:
        """1 to `most` bytes, valid until the next call."""
        if self.early:
            data, self.early = self.early[:most], self.early[most:]
            return memoryview(data)
        count = self.socket.recv_into(self._buffer, min(most, CHUNK))
        if count == 0:
            raise ResetError
        return self._buffer[:count]

    def line(self) -> bytes:
        while (end := self.early.find(b"\r\n")) < 0:
            data = self.socket.recv(65_536)
            if not data:
                raise ResetError
            self.early += data
        line, self.early = self.early[: end + 2], self.early[end + 2 :]
        return line


def relay_body(source: Incoming, headers: dict[str, str], send: Callable[[Any], object]) -> None:
    """Hand on a body of known length, or a chunked one with its framing."""
    if "chunked" in headers.get("transfer-encoding", ""):
        while True:
            line = source.line()
            send(line)
            size = int(line.split(b";")[0], 16)
            left = size + 2 if size else 0
            while left:
                data = source.some(left)
                left -= len(data)
                send(data)
            if size == 0:
                while (line := source.line()) != b"\r\n":
                    send(line)
                send(line)
                return
    left = int(headers.get("content-length", "0"))
    while left:
        data = source.some(left)
        left -= len(data)
        send(data)


def parsed(head: bytes) -> tuple[list[str], dict[str, str]]:
    """The words of the first line, and the headers by small name."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first.split(" ", 2), {name.lower(): value.strip() for name, _, value in pairs}


def without(head: bytes, name: str) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(name.encode() + b":"))


def abort(connection: socket.socket) -> None:
    """Let its closing be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)


def delivered(connection: socket.socket) -> None:
    """Wait until the other side has what was sent: a reset throws away what is on the way."""
    for _ in range(1_000):
        left = struct.unpack("i", ioctl(connection, OUTGOING_UNACKNOWLEDGED, b"\0" * 4))[0]
        if left == 0:
            return
        time.sleep(0.001)
